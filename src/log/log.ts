import { readU32 } from '../encoding/index.ts'
import type { EntryBatch } from '../encoding/index.ts'
import type { File } from '../platform/index.ts'
import type { LogEnd } from './closed-end.ts'
import { ChecksumSeeds } from './checksum-seed.ts'
import { EntryIndex } from './entry-index.ts'
import { EntrySource } from './entry-source.ts'
import { LogError, assertLog } from './errors.ts'
import { segmentName } from './file-names.ts'
import { FrameFlag, emptyFrameHeader, maxFrameBytes, writeFrame } from './frame.ts'
import type { FrameHeader } from './frame.ts'
import { assertHardState } from './hard-state.ts'
import { InlineLane } from './inline-lane.ts'
import type { Lane, LaneEvents } from './lane.ts'
import { VOTES_FILE } from './lane.ts'
import { LogStats } from './log-stats.ts'
import { MAX_ENTRIES_BYTES, MAX_SEGMENT_BYTES } from './log-settings.ts'
import type { HeldSegment, LogFrame, LogSettings, LogStart, LogState } from './log-settings.ts'
import { isMutant } from './mutants.ts'
import { NextSegment } from './next-segment.ts'
import { PendingEnds } from './pending-ends.ts'
import type { ChainPoint, HardState, LogPosition } from './positions.ts'
import { SEGMENT_HEADER_BYTES, encodeSegmentHeader } from './segment-header.ts'
import { syncDirectory } from './segment-files.ts'
import { keepAside, resolveSuspects } from './suspects.ts'
import { encodeSuperblockProof } from './superblock-proof.ts'
import type { SuperblockProof } from './superblock-proof.ts'
import { SyncWaiters } from './sync-waiters.ts'
import { VOTE_RECORD_BYTES, encodeVote, voteOffset } from './votes.ts'
import { WorkerLane } from './worker-lane.ts'

/** The one log of a replica or an embedded engine. Made by `openLog` and `createLog`. */
export class Log {
  readonly #settings: LogSettings
  readonly #seeds: ChecksumSeeds
  readonly #source: EntrySource
  readonly #header: FrameHeader
  #lane: Lane | undefined
  #state: LogState
  #failure: LogError | undefined
  #index: EntryIndex
  #hardState: HardState
  #voteGeneration: number
  readonly #isVoteCertain: boolean
  #segments: HeldSegment[]
  #voidSegments: number[]
  #current: HeldSegment
  #previousFrame: number
  #isMarked: boolean
  #superblock: SuperblockProof
  /** Told when the end of the log is not marked any more. */
  onUnmarked: (() => void) | undefined
  #suspectAt: LogPosition | undefined
  #ioSeq = 0
  #writtenIoSeq = 0
  readonly stats: LogStats = new LogStats()
  readonly #ends: PendingEnds
  readonly #waiters = new SyncWaiters()
  #tellsSyncs = true
  readonly #next: NextSegment
  #closedAt: LogEnd | undefined

  constructor(settings: LogSettings, start: LogStart) {
    this.#settings = settings
    this.#seeds = new ChecksumSeeds(settings.identity.directoryId)
    this.#state = start.state
    this.#index = start.index
    this.#hardState = start.hardState
    this.#voteGeneration = start.voteGeneration
    this.#isVoteCertain = start.isVoteCertain
    this.#segments = [...start.segments]
    this.#voidSegments = [...start.voidSegments]
    this.#current = this.#segments.at(-1) ?? {
      segment: start.end.segment,
      base: start.index.base,
      end: start.end.offset,
      lowestTruncation: Infinity,
    }
    this.#previousFrame = start.previousFrame
    this.#isMarked = start.isMarked
    this.#superblock = start.superblock
    this.#suspectAt = start.suspectAt
    this.#ends = new PendingEnds(start.end, this.stats, settings.clock)
    this.#next = new NextSegment(settings, start.highestSegment, {
      onReady: (segment, file) => this.#onPrepared(segment, file),
      onFailed: error => {
        if (this.#state === 'open') this.#fail(error)
      },
    })
    this.#header = emptyFrameHeader(settings.identity.groupId)
    const segmentEnd = (segment: number): number | undefined =>
      this.#segments.find(each => each.segment === segment)?.end
    this.#source = new EntrySource(settings, this.#seeds, segmentEnd)
  }

  get state(): LogState {
    return this.#state
  }
  /** The entry before the first retained one. */
  get base(): ChainPoint {
    return this.#index.base
  }
  get lastSeq(): number {
    return this.#index.lastSeq
  }
  get lastTerm(): number {
    return this.#index.lastTerm
  }
  get lastChain(): number {
    return this.#index.lastChain
  }
  get hardState(): HardState {
    return this.#hardState
  }
  /** The number that the last `append` or `mark` got. */
  get ioSeq(): number {
    return this.#ioSeq
  }
  /** The newest ioSeq that is synced, as known at this moment (it may be ahead of `onSynced`). */
  get syncedIoSeq(): number {
    return this.#lane?.completedIoSeq() ?? 0
  }
  /** True if the last frame is a mark and synced or on its way: the suspect window is closed. */
  get isMarked(): boolean {
    return this.#isMarked
  }
  /** Behind the last frame. */
  get end(): LogPosition {
    return { segment: this.#current.segment, offset: this.#current.end }
  }

  /** The term of entry `seq`; undefined unless it is retained or the base. */
  termAt(seq: number): number | undefined {
    return this.#index.termAt(seq)
  }

  /** The entry chain after entry `seq`; undefined unless it is retained or the base. */
  chainAt(seq: number): number | undefined {
    return this.#index.chainAt(seq)
  }

  /** True if the log holds this very entry, and hence this very history (or has it as its base). */
  holds(point: ChainPoint): boolean {
    return this.#index.termAt(point.seq) === point.term && this.#index.chainAt(point.seq) === point.chain
  }

  /** Files of the log, those that are void and not removed yet among them. */
  get segmentCount(): number {
    return this.#segments.length + this.#voidSegments.length
  }
  /** Bytes of memory that index and tail cache hold, about. */
  get memoryBytes(): number {
    return this.#index.memoryBytes + this.cachedBytes
  }
  /** Of that the tail cache: the newest entries. */
  get cachedBytes(): number {
    return this.#source.cache.bytes
  }

  /**
   * Adds one frame and gives it the next ioSeq; `onSynced` tells when it is durable (inline lane: after `flushSync`).
   * A hard state with another term or vote is also written to `log/votes`, before the ioSeq completes (D2). Reads see the
   * new entries, and no truncated ones, at once. Never blocks. Throws `LogError` unless `open`. hot path: bench/log.
   */
  append(frame: LogFrame): number {
    const ioSeq = this.add(frame)
    this.#lane?.wake()
    return ioSeq
  }

  /**
   * `append` for whoever calls `wake` in the same turn, for example once what others wait for has been sent: a lane on another thread
   * learns of the frame only then.
   */
  add(frame: LogFrame): number {
    const lane = this.#writable()
    const { hardState, truncateFrom, entries, chains } = frame
    const previous = this.#hardState
    if (hardState !== undefined) assertHardState(previous, hardState)
    const header = this.#header
    header.flags = 0
    this.#rollIfFull(lane, entries === undefined ? 0 : entries.bytes.length)
    if (truncateFrom !== undefined) this.#truncate(truncateFrom)
    if (hardState !== undefined) this.#takeHardState(hardState)
    const ioSeq = this.#ioSeq + 1
    const chainBefore = this.#index.lastChain
    if (entries !== undefined) this.#takeEntries(entries, chains, ioSeq)
    this.#unmark()
    this.#layFrame(lane, entries?.bytes, chainBefore)
    if (hardState !== undefined && (hardState.term !== previous.term || hardState.votedFor !== previous.votedFor)) {
      this.#layVote(lane, hardState)
    }
    this.#submit(lane, ioSeq)
    return ioSeq
  }

  /** Has what was added written and synced. */
  wake(): void {
    this.#lane?.wake()
  }

  #writable(): Lane {
    if (this.#state === 'open' && this.#lane !== undefined) return this.#lane
    if (this.#failure !== undefined) throw this.#failure
    const code = this.#state === 'suspect' || this.#state === 'damaged' ? this.#state : 'closed'
    throw new LogError(code, `the log in ${this.#settings.directory} is ${this.#state} and takes nothing`)
  }

  #truncate(seq: number): void {
    assertLog(seq > this.#index.base.seq && seq <= this.#index.lastSeq + 1, `truncation from ${seq} outside the log`)
    if (seq < this.#current.lowestTruncation) this.#current.lowestTruncation = seq
    this.#index.truncateFrom(seq)
    this.#source.cache.truncateFrom(seq)
    this.#header.flags |= FrameFlag.truncate
    this.#header.truncateFrom = seq
  }

  #takeHardState(hardState: HardState): void {
    this.#hardState = hardState
    const header = this.#header
    header.flags |= FrameFlag.hardState
    header.term = hardState.term
    header.votedFor = hardState.votedFor
    header.commitSeq = hardState.commitSeq
  }

  #takeEntries(entries: EntryBatch, chains: Uint32Array | undefined, ioSeq: number): void {
    try {
      assertLog(entries.bytes.length <= MAX_ENTRIES_BYTES, `${entries.bytes.length} bytes of entries in one frame`)
      this.#index.append(entries, chains)
      const { lastTerm } = this.#index
      assertLog(lastTerm <= this.#hardState.term, `entries of term ${lastTerm} above the hard state's`)
    } catch (error) {
      // A truncation may already have been taken: memory and disk would differ from here on.
      this.#fail(error)
      throw error
    }
    this.#index.noteFrame(entries.firstSeq, this.#current.segment, this.#current.end)
    this.#source.cache.push(entries, ioSeq, this.#writtenIoSeq)
    const header = this.#header
    header.flags |= FrameFlag.entries
    header.firstSeq = entries.firstSeq
    header.lastSeq = entries.lastSeq
    header.lastTerm = this.#index.lastTerm
    header.lastChain = this.#index.lastChain
  }

  /** Lays the frame that `#header` describes behind the last one and clears `#header` for the next. */
  #layFrame(lane: Lane, entries: Uint8Array | undefined, chainBefore: number): void {
    const header = this.#header
    const current = this.#current
    this.#advanceSynced(lane)
    header.previousFrame = this.#previousFrame
    header.syncedSegment = this.#ends.synced.segment
    header.syncedOffset = this.#ends.synced.offset
    const bound = maxFrameBytes(entries === undefined ? 0 : entries.length)
    assertLog(current.end + bound <= MAX_SEGMENT_BYTES, `segment ${current.segment} has no successor and is too long`)
    header.superblock = encodeSuperblockProof(this.#superblock)
    lane.reserve(bound)
    const seed = this.#seeds.at(current.segment, current.end)
    const { seal } = this.#settings.identity
    const { target, at } = lane
    const length = writeFrame(target, at, header, entries, current.end, seed, seal, current.segment, chainBefore)
    lane.write(current.segment, current.end, length)
    this.#previousFrame = header.headerCrc
    this.stats.frames++
    this.stats.frameBytes += length
    current.end += length
    header.term = header.votedFor = header.commitSeq = header.truncateFrom = 0
    header.firstSeq = header.lastSeq = header.lastTerm = header.lastChain = 0
  }

  #layVote(lane: Lane, hardState: HardState): void {
    const generation = ++this.#voteGeneration
    const { term, votedFor } = hardState
    lane.reserve(VOTE_RECORD_BYTES)
    lane.target.set(encodeVote(this.#settings.identity, this.#seeds, { generation, term, votedFor }), lane.at)
    lane.write(VOTES_FILE, voteOffset(generation), VOTE_RECORD_BYTES)
  }

  #submit(lane: Lane, ioSeq: number): number {
    this.#ioSeq = ioSeq
    this.#ends.add(ioSeq, this.#current.segment, this.#current.end)
    lane.submit(ioSeq)
    return ioSeq
  }

  /** Moves the synced position up to what the lane has completed by now. */
  #advanceSynced(lane: Lane): void {
    const completed = lane.completedIoSeq()
    if (completed > this.#writtenIoSeq) this.#source.cache.trim((this.#writtenIoSeq = completed))
    this.#ends.advance(completed, lane)
  }

  /** Goes on in the next segment if the frame does not fit; without a prepared one this segment grows beyond its size. */
  #rollIfFull(lane: Lane, entriesBytes: number): void {
    const current = this.#current
    if (current.end + maxFrameBytes(entriesBytes) <= this.#next.bytesOf(current.segment)) return
    if (this.#next.prepared === undefined) this.#next.prepare(current.end)
    else if (current.end > SEGMENT_HEADER_BYTES) this.#roll(lane, this.#index.lastPoint, false)
  }

  #roll(lane: Lane, base: ChainPoint, isAnew: boolean): void {
    const previous = this.#current
    const segment = this.#next.take()
    assertLog(segment !== undefined, 'the next segment is prepared')
    const bytes = encodeSegmentHeader(this.#settings.identity, this.#seeds, {
      segment,
      isAnew,
      base,
      hardState: this.#hardState,
      previousEnd: isAnew ? 0 : previous.end,
      previousFrame: isAnew ? 0 : this.#previousFrame,
      superblock: encodeSuperblockProof(this.#superblock),
    })
    this.#previousFrame = readU32(bytes, 8)
    this.#current = { segment, base, end: SEGMENT_HEADER_BYTES, lowestTruncation: Infinity }
    this.#segments.push(this.#current)
    lane.finishSegment(previous.segment)
    lane.reserve(SEGMENT_HEADER_BYTES)
    lane.target.set(bytes, lane.at)
    lane.write(segment, 0, SEGMENT_HEADER_BYTES)
    this.#next.prepare(0)
  }

  #onPrepared(segment: number, file: File): boolean {
    if (this.#state !== 'open' || this.#lane === undefined) return false
    this.#lane.openSegment(segment, file)
    return true
  }

  /**
   * Closes the suspect window: an empty frame that says that all before it is synced. Does nothing (undefined) if the log
   * already ends with a mark or something is not synced yet.
   */
  mark(): number | undefined {
    const lane = this.#writable()
    if (this.#isMarked || lane.completedIoSeq() !== this.#ioSeq || isMutant('no_idle_marks')) return undefined
    this.#header.flags = FrameFlag.mark
    this.#rollIfFull(lane, 0)
    this.#layFrame(lane, undefined, 0)
    this.#isMarked = true
    const ioSeq = this.#submit(lane, this.#ioSeq + 1)
    lane.wake()
    return ioSeq
  }

  #unmark(): void {
    if (!this.#isMarked) return
    this.#isMarked = false
    this.onUnmarked?.()
  }

  /**
   * To be awaited before superblock `number` is written: a frame that says so is synced then, so that a torn one is known for what it is.
   * Rejects with `LogError` unless the log is `open`.
   */
  async superblockBegins(number: number): Promise<void> {
    this.#superblock = { number: number - 1, isUnderWay: true }
    const ioSeq = this.append({})
    await (this.#settings.lane === 'inline' ? this.syncBeside() : this.whenSynced(ioSeq))
  }

  /** Superblock `number` is synced: from the next frame on, a mark if nothing else, whatever is wrong with it is damage. */
  superblockSynced(number: number): void {
    if (this.#superblock.number === number && !this.#superblock.isUnderWay) return
    this.#superblock = { number, isUnderWay: false }
    this.#unmark()
  }

  /** Inline lane: writes and syncs everything appended, on this thread; `onSynced` is called inside. Throws once latched. */
  flushSync(): void {
    this.#writable().flush(true)
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Inline lane, durability `batch` and `os`: hands everything appended to the operating system without a sync. */
  write(): void {
    const lane = this.#writable()
    if (this.#settings.lane !== 'inline') throw new LogError('lane_unsuitable', 'the worker lane always syncs')
    lane.flush(false)
    if (this.#failure !== undefined) throw this.#failure
    this.#writtenIoSeq = this.#ioSeq
  }

  /** As `write`, and has it synced beside this thread. Resolves once it is; rejects if the log latches before. */
  syncBeside(): Promise<void> {
    this.write()
    this.#lane?.syncBeside()
    return this.whenSynced(this.#ioSeq)
  }

  /** Resolves when `ioSeq` is synced; rejects if the log latches before. */
  whenSynced(ioSeq: number): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (this.#ioSeq === 0 || this.syncedIoSeq >= ioSeq) return Promise.resolve()
    const synced = this.#waiters.add(ioSeq)
    this.#followWishes()
    return synced
  }

  /**
   * Whether `onSynced` is to be called for each sync as it happens, as it is at first. Otherwise it is called in `noteSynced`, or when
   * somebody else waits for a sync: worker lane, where it costs both threads tens of microseconds to tell.
   */
  tellSyncs(isWanted: boolean): void {
    this.#tellsSyncs = isWanted
    this.#followWishes()
  }

  #followWishes(): void {
    this.#lane?.tell(this.#tellsSyncs || !this.#waiters.isEmpty)
  }

  /** Calls `onSynced`, and tells all who wait, if something was synced that they were not told of. */
  noteSynced(): void {
    this.#lane?.look()
  }

  /**
   * Entries from `fromSeq` on if they are in memory: at least one, otherwise at most `maxBytes`. Who needs those up to `throughSeq` says
   * so, and is not given many more.
   */
  readCached(fromSeq: number, maxBytes: number, throughSeq?: number): EntryBatch | undefined {
    return this.#source.cache.read(fromSeq, maxBytes, throughSeq)
  }

  /**
   * Entries from `fromSeq` on, at least one, otherwise at most `maxBytes`: from memory, else from the files, checked.
   * Rejects with `seq_unavailable` outside (base, last], with `damaged` if the files no longer hold what was written.
   */
  read(fromSeq: number, maxBytes: number): Promise<EntryBatch> {
    return this.#source.read(() => this.#index, fromSeq, maxBytes)
  }

  /** All entries after `seq` up to the last one at the time of the call, in batches of about `maxBytes`. */
  async *entriesAfter(seq: number, maxBytes: number = 262_144): AsyncGenerator<EntryBatch, void, void> {
    const last = this.#index.lastSeq
    for (let next = seq + 1; next <= last;) {
      const batch = await this.read(next, maxBytes)
      yield batch
      next = batch.lastSeq + 1
    }
  }

  /**
   * After an install at `point` (DESIGN 5): a log that holds the entry stays as it is; any other begins anew behind it.
   * Durable when it resolves. `voided` says which.
   */
  async voidAfterInstall(point: ChainPoint): Promise<{ voided: boolean }> {
    if (this.#state === 'open' && this.holds(point)) return { voided: false }
    await this.startAfter(point)
    return { voided: true }
  }

  /**
   * Begins the log anew behind `point`: all entries are void, the hard state stays. The way out of `damaged` and `suspect`
   * too, unless votes may have been lost. Nothing may be appended until it resolves, durable.
   */
  async startAfter(point: ChainPoint): Promise<void> {
    if (this.#state !== 'open') await this.#startOnNewSegment()
    const lane = this.#writable()
    await this.#next.prepareNow()
    this.#voidSegments.push(...this.#segments.map(each => each.segment))
    this.#segments = []
    this.#index = new EntryIndex(point)
    this.#source.cache.clear()
    this.#roll(lane, point, true)
    this.#unmark()
    const ioSeq = this.#submit(lane, this.#ioSeq + 1)
    lane.wake()
    lane.flush(true)
    await this.whenSynced(ioSeq)
  }

  async #startOnNewSegment(): Promise<void> {
    if (this.#state === 'damaged' && !this.#isVoteCertain) {
      throw new LogError('damaged', 'votes may have been lost: this directory needs a new id (W8, D11)')
    }
    if (this.#state !== 'damaged' && this.#state !== 'suspect') this.#writable()
    this.#suspectAt = undefined
    this.#state = 'open'
    await this.#startLane(undefined)
  }

  /**
   * Keeps the suspect end of the log aside as `log/suspect-N`, cuts it off, and opens the log for appends. The report stays
   * unresolved, across restarts too, until `resolveSuspect`. Returns the kept file's path.
   */
  async setSuspectAside(): Promise<string> {
    const at = this.#suspectAt
    assertLog(this.#state === 'suspect' && at !== undefined, 'only a suspect end can be set aside')
    const { files, directory } = this.#settings
    const path = await keepAside(files, directory, at, { seq: this.lastSeq, term: this.lastTerm })
    this.#suspectAt = undefined
    this.#next.restartAfter(this.#current.segment)
    this.#state = 'open'
    await this.start()
    return path
  }

  /** Ends the suspicion: a leader has supplied or overwritten the place again, or this is a group of one. */
  async resolveSuspect(): Promise<void> {
    await resolveSuspects(this.#settings.files, this.#settings.directory)
  }

  /**
   * Removes the segments that hold nothing above `seq - 1`, and those that became void, oldest first; each is gone durably
   * before the next. The last segment always stays. Returns how many were removed.
   */
  async dropSegmentsBefore(seq: number): Promise<number> {
    const victims = this.#voidSegments.splice(0)
    const keptFrom = this.#firstSegmentFor(seq)
    for (const { segment } of this.#segments.splice(0, keptFrom)) victims.push(segment)
    if (keptFrom > 0) this.#index.dropThrough(this.#segments[0]!.base, this.#segments[0]!.segment)
    for (const segment of victims) {
      this.#source.reader.forget(segment)
      await this.#settings.files.remove(`${this.#settings.directory}/${segmentName(segment)}`)
      await syncDirectory(this.#settings.files, this.#settings.directory)
    }
    return victims.length
  }

  /**
   * The segment with which the log can begin if entries below `seq` are not needed: its header is durable, and no frame from
   * there on truncates down to its base or below, since the entry before a truncation must be known.
   */
  #firstSegmentFor(seq: number): number {
    let lowestTruncation = Infinity
    for (let i = this.#segments.length - 1; i > 0; i--) {
      const { base, segment, lowestTruncation: lowest } = this.#segments[i]!
      lowestTruncation = Math.min(lowestTruncation, lowest)
      if (base.seq < seq && lowestTruncation > base.seq && this.#ends.synced.segment >= segment) return i
    }
    return 0
  }

  /** Starts the lane of an open log and prepares the next segment. Called by `openLog`. */
  async start(): Promise<void> {
    await this.#startLane(this.#current.segment)
    this.#next.prepare(0)
  }

  /** Without `segment`, the first one written to is a prepared one. */
  async #startLane(segment: number | undefined): Promise<void> {
    const { files, threads, directory, lane, ringBytes } = this.#settings
    const events: LaneEvents = {
      onCompleted: ioSeq => this.#onCompleted(ioSeq),
      onFailed: error => this.#fail(error),
    }
    if (lane === 'worker') this.#lane = new WorkerLane(events, { threads, directory, segment, ringBytes })
    else this.#lane = await InlineLane.open(events, { files, directory, segment })
    this.#followWishes()
  }

  #onCompleted(ioSeq: number): void {
    if (this.#state === 'latched' || this.#lane === undefined) return
    this.#advanceSynced(this.#lane)
    this.#settings.onSynced(ioSeq)
    this.#waiters.resolveThrough(ioSeq)
    this.#followWishes()
  }

  #fail(cause: unknown): void {
    if (this.#failure !== undefined) return
    const reason = cause instanceof Error ? cause.message : String(cause)
    const failure = new LogError('latched', `the log stopped at its first failure: ${reason}`, { cause })
    this.#failure = failure
    this.#state = 'latched'
    this.#waiters.rejectAll(failure)
    this.#settings.onFailed(failure)
  }

  /**
   * Syncs what was appended, marks the end, and closes. Resolves with the end if all that succeeded: a log that takes no appends closes
   * without writing anything, and has none. Repeats are harmless, and answer the same.
   */
  async close(): Promise<LogEnd | undefined> {
    if (this.#state === 'closed') return this.#closedAt
    if (this.#state === 'open') await this.#finish()
    await this.#next.settled()
    if (this.#state === 'open') this.#closedAt = { ...this.end, frame: this.#previousFrame }
    this.#state = 'closed'
    this.#source.reader.close()
    await this.#lane?.close()
    return this.#closedAt
  }

  async #finish(): Promise<void> {
    try {
      this.#lane?.flush(true)
      await this.whenSynced(this.#ioSeq)
      if (this.mark() === undefined) return
      this.#lane?.flush(true)
      await this.whenSynced(this.#ioSeq)
    } catch (error) {
      if (this.#failure === undefined) throw error
    }
  }
}
