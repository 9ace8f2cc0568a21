import { ENTRY_HEADER_BYTES, EntryKind, encodeTick, unwrittenBytes, writeEntryHeader } from '../encoding/index.ts'
import type { EntryBatch, EntryHeader } from '../encoding/index.ts'
import { QuorateError } from '../model/index.ts'
import type { ApplyResult, Head, OutcomeHandler } from '../model/index.ts'
import type { Clock, Timer, Timers } from '../platform/index.ts'
import { SequencerMetrics } from './engine-metrics.ts'
import type { SyncReasons } from './engine-metrics.ts'
import type { EngineStateMachine } from './state-machine.ts'

/** What the sequencer needs of a log: src/log implements it. */
export interface SequencerLog {
  readonly lastSeq: number
  /** The entry chain after the last entry. */
  readonly lastChain: number
  /** Writes one frame; durable after `syncNow`. Throws when the log has failed. */
  append(entries: EntryBatch): void
  /** Writes and syncs what was appended, on this thread. Throws when the log has failed. */
  syncNow(): void
  /** The same beside this thread. Rejects when the log has failed. */
  syncBeside(): Promise<void>
}

export interface LocalSequencerOptions {
  machine: EngineStateMachine
  log: SequencerLog
  clock: Clock
  timers: Timers
  durability: 'full' | 'batch' | 'os'
  /** `batch`: a sync is due after this many ms or bytes, whichever is first. */
  batchIntervalMs: number
  batchBytes: number
  /** Told once when nothing can be written or applied any more. */
  onFailed: (error: unknown) => void
  /** Called after entries were applied, with the monotonic clock. */
  onApplied: (nowMs: number) => void
}

/** The one term of a group of one (DESIGN 6). */
export const LOCAL_TERM = 1
/** A tick that was refused as busy is proposed again after this long. */
const TICK_RETRY_MS = 10
/** Apply gives the loop back after this long. */
const SLICE_MS = 5
/** After so many frames of one proposal each in a row the writer is taken for a lone one. */
const LONE_FRAMES = 16
/** So many frames of a lone writer are written without a pass of the event loop in between. */
const FRAMES_PER_TURN_MAX = 8
/** Proposals waiting for their turn: above this the sequencer answers `busy`. */
const QUEUE_BYTES_MAX = 64 << 20

const SOON = Promise.resolve()

/** The log computes the chain, so that the state machine need not. */
interface WrittenBatch extends EntryBatch {
  lastChain: number | undefined
}

interface Proposal {
  kind: EntryKind
  /** Room for its header, then the payload. */
  entry: Uint8Array
  onOutcome: OutcomeHandler | undefined
  /** Applied only when it is synced, whatever the durability. */
  isEconomic: boolean
}

/**
 * Turns proposals into applied entries in a group of one: everything that is proposed in a turn becomes one frame, is synced as the
 * durability asks, applied, published and answered, in that order (DESIGN 7.5). Group commit adapts by itself: while a frame is
 * written and applied, later proposals gather for the next one; nothing waits for a timer. A writer that has been alone for a while
 * does not wait for the end of the turn either, which costs as much as a third of all else; every few frames it does, so that the loop
 * goes on and others are noticed.
 */
export class LocalSequencer {
  readonly #options: LocalSequencerOptions
  readonly metrics: SequencerMetrics = new SequencerMetrics()
  /** Everything through it is synced. */
  #durableSeq: number
  #queue: Proposal[] = []
  #queueBytes = 0
  #isScheduled = false
  readonly #onScheduled = (): void => {
    this.#isScheduled = false
    this.#turn()
  }
  /** Frames of one proposal, in a row. */
  #loneFrames = 0
  #framesThisTurn = 0
  #failure: QuorateError | undefined
  #isClosed = false
  /** Frames written and not yet applied, oldest first, with who waits for their entries. */
  readonly #written: { batch: EntryBatch; proposals: readonly Proposal[] }[] = []
  /** The monotonic clock as it was last read: it is read once between two steps of a turn. */
  #nowMs = 0
  /** How long the last batch took to apply. */
  lastApplyMs = 0
  #sliceEndMs = 0
  readonly #shouldYield = (): boolean => this.#options.clock.monotonicMs() >= this.#sliceEndMs
  #isApplying = false
  #lastTimeMicros: number
  /** Bytes that no sync, under way or ended, reaches. */
  #unsyncedBytes = 0
  #syncTimer: Timer | undefined
  /** `batch`: a sync is under way beside the commits. */
  #isSyncing = false
  /** The next sync became due meanwhile. */
  #isSyncOverdue = false
  #expiryTimer: Timer | undefined
  /** What `#expiryTimer` waits for, leader time in us. */
  #expiryMicros = 0
  #idle: (() => void)[] = []
  /** Under way for those who wait for their commits to be durable. */
  #sharedSync: Promise<number> | undefined

  constructor(options: LocalSequencerOptions) {
    this.#options = options
    this.#lastTimeMicros = options.machine.leaderTimeMicros
    this.#durableSeq = options.log.lastSeq
  }

  /**
   * Proposes an entry; `onOutcome` hears of it once it is durable and applied: as durable as the database's durability asks, an economic
   * one synced. The payload belongs to the sequencer.
   */
  propose(kind: EntryKind, payload: Uint8Array, onOutcome: OutcomeHandler | undefined, isEconomic = false): void {
    const entry = unwrittenBytes(ENTRY_HEADER_BYTES + payload.length)
    entry.set(payload, ENTRY_HEADER_BYTES)
    this.proposeEntry(kind, entry, onOutcome, isEconomic)
  }

  /** As `propose`, of a payload with `ENTRY_HEADER_BYTES` in front of it: alone in its frame it is not copied. hot path: bench/embedded. */
  proposeEntry(kind: EntryKind, entry: Uint8Array, onOutcome: OutcomeHandler | undefined, isEconomic: boolean): void {
    const refusal = this.#refusal()
    if (refusal !== undefined) {
      onOutcome?.(undefined, refusal)
      return
    }
    this.#queue.push({ kind, entry, onOutcome, isEconomic })
    this.#queueBytes += entry.length
    this.#schedule()
  }

  #refusal(): QuorateError | undefined {
    if (this.#failure !== undefined) return this.#failure
    if (this.#isClosed) return new QuorateError('closed', 'the database is closed')
    if (this.#options.machine.isBusy || this.#queueBytes > QUEUE_BYTES_MAX) {
      return new QuorateError('busy', 'too much is waiting to be written', { retryable: true, backoffMs: 10 })
    }
    return undefined
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    if (this.#loneFrames >= LONE_FRAMES && this.#framesThisTurn < FRAMES_PER_TURN_MAX) {
      // What the same task proposes after this still comes before it.
      this.#framesThisTurn++
      void SOON.then(this.#onScheduled)
      return
    }
    this.#framesThisTurn = 0
    this.#options.timers.endOfTurn(this.#onScheduled)
  }

  /** ms since the clock was last read. */
  #lap(): number {
    const beforeMs = this.#nowMs
    this.#nowMs = this.#options.clock.monotonicMs()
    return this.#nowMs - beforeMs
  }

  #turn(): void {
    this.#lap()
    try {
      if (this.#queue.length > 0 && this.#failure === undefined) this.#writeFrame()
      if (!this.#isApplying) this.#applyWritten()
    } catch (error) {
      this.fail(error)
    }
  }

  /** One frame of all that waits. hot path: bench/embedded. */
  #writeFrame(): void {
    const { durability, batchBytes } = this.#options
    const proposals = this.#queue
    let length = 0
    let isEconomic = false
    for (const proposal of proposals) {
      length += proposal.entry.length
      isEconomic ||= proposal.isEconomic
    }
    const batch = this.#encode(proposals, length)
    this.#loneFrames = proposals.length === 1 ? this.#loneFrames + 1 : 0
    this.#queue = []
    this.#queueBytes = 0
    this.#written.push({ batch, proposals })
    this.#append(batch)
    batch.lastChain = this.#options.log.lastChain
    if (durability === 'full') this.#sync('frame')
    else if (isEconomic) this.#syncBatch('asked')
    else if (durability === 'batch') {
      this.#unsyncedBytes += length
      if (this.#unsyncedBytes >= batchBytes) this.#onManyUnsynced()
      else
        this.#syncTimer ??= this.#options.timers.after(this.#options.batchIntervalMs, () => this.#onSyncDue('interval'))
    }
  }

  /** A disk that has not synced the last batch when the next is full is slower than the writers: they wait for it. */
  #onManyUnsynced(): void {
    if (this.#isSyncing) this.#syncBatch('bytes')
    else this.#onSyncDue('bytes')
  }

  #append(batch: EntryBatch): void {
    const { metrics } = this
    this.#options.log.append(batch)
    metrics.append.record(this.#lap())
    metrics.appends++
    metrics.frameSizes.record(batch.lastSeq - batch.firstSeq + 1)
    metrics.appendBytes += batch.bytes.length
  }

  #sync(reason: keyof SyncReasons): void {
    this.metrics.syncs[reason]++
    const { log } = this.#options
    log.syncNow()
    this.metrics.sync.record(this.#lap())
    this.#durableSeq = log.lastSeq
  }

  #encode(proposals: readonly Proposal[], length: number): WrittenBatch {
    const isLone = proposals.length === 1
    const bytes = isLone ? proposals[0]!.entry : unwrittenBytes(length)
    const firstSeq = this.#options.log.lastSeq + 1
    const header: EntryHeader = {
      length: 0,
      kind: EntryKind.noop,
      seq: firstSeq,
      term: LOCAL_TERM,
      leaderTimeMicros: this.#nextTime(),
    }
    let at = 0
    for (const { kind, entry } of proposals) {
      header.length = entry.length
      header.kind = kind
      if (!isLone) bytes.set(entry, at)
      writeEntryHeader(bytes, at, header)
      at += header.length
      header.seq++
    }
    return { firstSeq, lastSeq: header.seq - 1, bytes, lastChain: undefined }
  }

  /** Leader time of a group of one: its own clock, which never falls. */
  #nextTime(): number {
    this.#lastTimeMicros = Math.max(this.#lastTimeMicros, this.#options.clock.wallMicros())
    return this.#lastTimeMicros
  }

  /** Commits go on while the disk works; one sync runs at a time. */
  #onSyncDue(reason: keyof SyncReasons): void {
    this.#syncTimer?.cancel()
    this.#syncTimer = undefined
    this.#isSyncOverdue = this.#isSyncing
    if (this.#isSyncing) return
    this.#isSyncing = true
    this.#syncBeside(reason).then(
      () => {
        this.#isSyncing = false
        if (this.#isSyncOverdue && !this.#isClosed) this.#onSyncDue(reason)
      },
      (error: unknown) => this.fail(error),
    )
  }

  async #syncBeside(reason: keyof SyncReasons): Promise<number> {
    this.metrics.syncs[reason]++
    const { log, clock } = this.#options
    const through = log.lastSeq
    this.#unsyncedBytes = 0
    const startMs = clock.monotonicMs()
    await log.syncBeside()
    this.metrics.sync.record(clock.monotonicMs() - startMs)
    if (through > this.#durableSeq) this.#durableSeq = through
    return through
  }

  #syncBatch(reason: keyof SyncReasons): void {
    this.#syncTimer?.cancel()
    this.#syncTimer = undefined
    this.#isSyncOverdue = false
    this.#unsyncedBytes = 0
    this.#sync(reason)
  }

  #applyWritten(): void {
    this.#sliceEndMs = this.#nowMs + SLICE_MS
    while (this.#written.length > 0) {
      const { batch, proposals } = this.#written[0]!
      const { appliedThrough, outcomes, cold } = this.#apply(batch)
      if (appliedThrough === batch.lastSeq) this.#written.shift()
      this.#options.onApplied(this.#nowMs)
      for (const { seq, outcome } of outcomes) proposals[seq - batch.firstSeq]!.onOutcome?.(outcome, undefined)
      if (cold !== undefined) return this.#continueAfter(cold)
      if (appliedThrough < batch.lastSeq) return this.#schedule()
    }
    this.#armExpiry()
    this.#options.machine.rest()
    const idle = this.#idle
    this.#idle = []
    for (const resolve of idle) resolve()
  }

  #apply(batch: EntryBatch): ApplyResult {
    const { machine } = this.#options
    const { metrics } = this
    const fromSeq = machine.appliedSeq
    const result = machine.apply(batch, this.#shouldYield)
    const durationMs = this.#lap()
    this.lastApplyMs = durationMs
    if (result.appliedThrough === fromSeq) return result
    metrics.apply.record(durationMs)
    metrics.epochs++
    metrics.epochSizes.record(result.appliedThrough - fromSeq)
    metrics.entries += result.appliedThrough - fromSeq
    return result
  }

  #continueAfter(cold: Promise<void>): void {
    this.#isApplying = true
    cold.then(
      () => {
        this.#isApplying = false
        this.#turn()
      },
      (error: unknown) => this.fail(error),
    )
  }

  /** While something is due to expire, ticks are appended; each removes a bounded number of keys (DESIGN 7). */
  #armExpiry(notBeforeMs = 0): void {
    const next = this.#options.machine.nextExpiryMicros()
    if (this.#expiryTimer !== undefined && next === this.#expiryMicros) return
    this.#expiryTimer?.cancel()
    this.#expiryTimer = undefined
    if (next === undefined || this.#isClosed || this.#failure !== undefined) return
    this.#expiryMicros = next
    const delayMs = Math.max(notBeforeMs, (next - this.#options.clock.wallMicros()) / 1000)
    this.#expiryTimer = this.#options.timers.after(
      Math.min(delayMs, 60_000),
      () => {
        this.#expiryTimer = undefined
        if (next <= this.#options.clock.wallMicros()) {
          const tick = encodeTick(this.#options.machine.settings.tickKeysMax)
          // Nobody hears of a tick that is applied, only of one that was not taken: nothing else would arm the timer again.
          this.propose(EntryKind.tick, tick, () => this.#armExpiry(TICK_RETRY_MS))
        } else this.#armExpiry()
      },
      { background: true },
    )
  }

  /** Something under it has failed for good: everything that waits is told, nothing is taken any more. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = new QuorateError('storage_failed', 'the database has stopped: nothing is written any more', {
      applied: 'unknown',
      cause: error,
    })
    for (const { proposals } of this.#written) {
      for (const { onOutcome } of proposals) onOutcome?.(undefined, this.#failure)
    }
    const refused = new QuorateError('storage_failed', this.#failure.message, { cause: error })
    for (const { onOutcome } of this.#queue) onOutcome?.(undefined, refused)
    this.#queue = []
    this.#written.length = 0
    this.#cancelTimers()
    for (const resolve of this.#idle) resolve()
    this.#options.onFailed(error)
  }

  #cancelTimers(): void {
    this.#syncTimer?.cancel()
    this.#expiryTimer?.cancel()
  }

  /** The monotonic clock as it was when the newest entries had been applied. */
  get appliedMs(): number {
    return this.#nowMs
  }

  /** Everything through it is synced. */
  get durableSeq(): number {
    return this.#durableSeq
  }

  get head(): Head {
    return { visibleSeq: this.#options.machine.appliedSeq, durableSeq: this.#durableSeq }
  }

  get failure(): QuorateError | undefined {
    return this.#failure
  }

  /** Makes everything written so far durable. Also for `os` and `batch`. */
  syncNow(): void {
    if (this.#failure !== undefined) throw this.#failure
    this.#lap()
    try {
      this.#syncBatch('asked')
    } catch (error) {
      this.fail(error)
      throw error
    }
  }

  /** Has everything written so far synced, in `batch` and `os` beside this thread; through which seq that is. */
  async syncedThrough(): Promise<number> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#options.durability === 'full') {
      this.syncNow()
      return this.#durableSeq
    }
    try {
      return await this.#syncBeside('asked')
    } catch (error) {
      this.fail(error)
      throw this.#failure ?? error
    }
  }

  /** Resolves once everything through `seq` is synced; those who wait share a sync. Rejects as `syncedThrough`. */
  async untilDurable(seq: number): Promise<void> {
    const { clock } = this.#options
    const sinceMs = clock.monotonicMs()
    while (this.#durableSeq < seq) {
      this.#sharedSync ??= this.syncedThrough().finally(() => (this.#sharedSync = undefined))
      await this.#sharedSync
    }
    this.metrics.durableWaits.record(clock.monotonicMs() - sinceMs)
  }

  /** Takes nothing new, answers everything that was taken, and makes it durable. */
  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#queue.length + this.#written.length > 0 && this.#failure === undefined) {
      const done = new Promise<void>(resolve => this.#idle.push(resolve))
      this.#schedule()
      await done
    }
    this.#cancelTimers()
    if (this.#failure === undefined) this.syncNow()
  }
}
