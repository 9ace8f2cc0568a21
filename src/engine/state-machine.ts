import { chainEntry, checkEntry, entrySeq, entryTerm } from '../encoding/index.ts'
import type { Configuration, EntryBatch } from '../encoding/index.ts'
import { InvariantError, QuorateError } from '../model/index.ts'
import type {
  ApplyResult,
  AuditPage,
  CheckpointState,
  ClusterSettings,
  EntryOutcome,
  ProjectFigures,
  RecomputedDigest,
  RequestRefusal,
  ServiceWatch,
  SessionOwner,
  SnapshotBase,
  SnapshotManifest,
  SnapshotSink,
  SnapshotSource,
  StateDigest,
  StateMachine,
  WatchSink,
} from '../model/index.ts'
import { ApplyCounters } from './apply-counters.ts'
import { readAudit } from './audit.ts'
import { ChangeRebuild } from './change-rebuild.ts'
import type { ClusterState } from './cluster-state.ts'
import { loadClusterState } from './cluster-state.ts'
import { damagedAt } from './damaged-error.ts'
import { DIGEST_INTERVAL, DigestRecords, recordsAfterInstall } from './digest-records.ts'
import { CursorKey } from './cursor-key.ts'
import { EngineView } from './engine-view.ts'
import type { ViewParts } from './engine-view.ts'
import { EntryApplier } from './entry-applier.ts'
import { EffectLog, WatchHub } from './events/index.ts'
import type { ChangeFiles } from './events/index.ts'
import { Cold } from './keyspace/index.ts'
import type { Keyspace, KeyspaceStats, KeyspaceView, SuperblockLedger, SuperblockProof } from './keyspace/index.ts'
import { KeyspaceReader, KeyspaceStore, loadLater, loadNow } from './keyspace-store.ts'
import { loadState } from './load-state.ts'
import { MemoryUse, sessionBytesOf } from './memory-use.ts'
import { NO_HISTORY, unavailableSeq, type Origin, type StateMachineTuning, type Surroundings } from './machine-parts.ts'
import { isMutant } from './mutants.ts'
import { declaredKeys } from './prefetch.ts'
import { NewestSource } from './newest-source.ts'
import { PrivateStore } from './private-store.ts'
import { projectFigures } from './project-usage.ts'
import { ColdPages, withLoading } from './record-store.ts'
import { beginAgain, plainBytes, replay, REPLAY_ENTRIES_MAX } from './replay.ts'
import type { ReadEntries } from './replay.ts'
import { OutcomeLookup, sessionOwner } from './session-reads.ts'
import type { SessionPlace } from './session-reads.ts'
import type { Slice } from './slice.ts'
import { RequestCheck } from './request-check.ts'
import { ImageSink, ImageSource, manifestOf } from './snapshots.ts'

/** Batches after one that met a cold page for which `prefetch` looks for them. */
const COLD_BATCHES = 64

/**
 * Replicated state in one process: catalog, permissions, keys, sessions and events as layers of one keyspace. A sequencer drives it
 * (`model/state-machine.ts` says how); `apply` is a pure function of (state, entry).
 */
export class EngineStateMachine implements StateMachine {
  readonly #keyspace: Keyspace
  readonly #applier: EntryApplier
  readonly #effects = new EffectLog()
  readonly #requests = new RequestCheck()
  readonly #outcomes = new OutcomeLookup()
  /** What was applied and read here since the start. */
  readonly counters: ApplyCounters = new ApplyCounters()
  readonly memory: MemoryUse
  readonly #hub: WatchHub
  readonly #changes: ChangeFiles
  readonly #rebuilding: ChangeRebuild
  /** How the log is read for changes that must be made known again. */
  #entries: ReadEntries | undefined
  readonly #digests = new DigestRecords()
  readonly #digestInterval: number
  /** For work beside apply that must not hold the loop. */
  readonly #newSlice: () => Slice
  readonly #cursorKey: CursorKey
  #published: ClusterState
  /** Batches for which a cold page is still to be expected. */
  #coldBatches = 0
  #seq: number
  #term: number
  #entryChain: number
  #effectChain: number
  /** Of the publication under way. */
  readonly #chained = { before: 0, after: 0 }
  #isEpochOpen = false
  #failure: unknown
  /** Apply has thrown: what was written until then may stand in the newest root's pages, which nobody may see. */
  #hasStopped = false
  /** Pins what is shown until an install has been taken over. */
  #beforeInstall: KeyspaceView | undefined
  #isClosed = false
  #newest: NewestSource | undefined

  private constructor(
    keyspace: Keyspace,
    changes: ChangeFiles,
    origin: Origin,
    state: ClusterState,
    earliestExpiryMicros: number,
    { newSlice, cursorSecret, budgetBytes }: Surroundings,
    { digestInterval = DIGEST_INTERVAL, alterValue }: StateMachineTuning,
  ) {
    this.#digestInterval = digestInterval
    this.#newSlice = newSlice
    this.#cursorKey = new CursorKey(cursorSecret)
    this.#keyspace = keyspace
    this.#applier = new EntryApplier(
      new KeyspaceStore(keyspace, alterValue),
      this.#effects,
      state,
      origin.leaderTimeMicros,
      { gathersSlots: true, counters: this.counters, sessionBytesMax: sessionBytesOf(budgetBytes) },
    )
    this.memory = new MemoryUse(keyspace, this.#applier.sessions, budgetBytes, state)
    this.#applier.restore(origin.membership, earliestExpiryMicros)
    this.#published = state
    this.#seq = origin.seq
    this.#term = origin.term
    this.#entryChain = origin.entryChain
    this.#effectChain = origin.effectChain
    this.#digests.restore(origin.digests)
    this.#changes = changes
    this.#rebuilding = new ChangeRebuild(keyspace, changes, origin, newSlice)
    this.#hub = new WatchHub({
      history: this.#changes,
      canRebuild: seq => this.#entries !== undefined && this.#rebuilding.reaches(seq),
      rebuild: () => this.#rebuilding.run(this.#entries!),
      appliedSeq: () => this.#seq,
      catalog: () => this.#published.catalog,
      access: () => this.#published.access,
      view: () => this.view(),
      valueOf: (key, seq) => this.#valueOf(key, seq),
    })
  }

  /** The state that the newest root of `keyspace` holds. */
  static async load(
    keyspace: Keyspace,
    changes: ChangeFiles,
    origin: Origin,
    surroundings: Surroundings,
    tuning: StateMachineTuning = {},
  ): Promise<EngineStateMachine> {
    const { state, earliestExpiryMicros } = await loadState(keyspace)
    return new EngineStateMachine(keyspace, changes, origin, state, earliestExpiryMicros, surroundings, tuning)
  }

  get appliedSeq(): number {
    return this.#seq
  }

  get appliedTerm(): number {
    return this.#term
  }

  get appliedChain(): number {
    return this.#entryChain
  }

  get leaderTimeMicros(): number {
    return this.#applier.leaderTimeMicros
  }

  get settings(): ClusterSettings {
    return this.#published.settings
  }

  get configuration(): Configuration | undefined {
    return this.#applier.configuration
  }

  /** Zeros until the first configuration was applied. */
  get historyId(): string {
    return this.#applier.configuration?.historyId ?? NO_HISTORY
  }

  get digests(): readonly StateDigest[] {
    return this.#digests.all
  }

  /** S and effect chain as of the newest applied entry. */
  get digest(): StateDigest {
    return { seq: this.#seq, effectChain: this.#effectChain, sum: this.#keyspace.digestS }
  }

  set onStorageFailed(handler: (error: Error) => void) {
    this.#keyspace.onFailed = error => handler(error instanceof Error ? error : new Error(String(error)))
  }

  async recomputeDigest(turn: () => Promise<void>): Promise<RecomputedDigest> {
    this.#requireOpen()
    using view = this.#keyspace.view()
    const { seq, digest, meta } = view.root
    const { damaged, digestS } = await this.#keyspace.scrub(view, turn)
    const [first] = damaged
    if (first !== undefined) throw damagedAt(first)
    return { carried: { seq, effectChain: meta.effectChain, sum: digest }, found: digestS }
  }

  nextExpiryMicros(): number | undefined {
    if (this.#published.jobs.length > 0) return this.leaderTimeMicros
    const earliest = this.#applier.earliestExpiryMicros
    return earliest === Number.POSITIVE_INFINITY ? undefined : earliest
  }

  checkRequest(request: Uint8Array, at: number = 0): RequestRefusal | undefined {
    return this.#requests.check(request, this.#published.settings, at) ?? this.memory.refusalOf(request, at)
  }

  preflight(request: Uint8Array): RequestRefusal | undefined {
    return this.#requests.preflight(request, this.#published) ?? this.memory.refusalOf(request, 0)
  }

  recordedOutcome(session: number, serial: number): Uint8Array | undefined {
    return this.#hasStopped ? undefined : this.#outcomes.find(this.#sessionPlace, session, serial)
  }

  sessionOwner(session: number): Promise<SessionOwner | undefined> {
    return sessionOwner(this.#sessionPlace, session)
  }

  get #sessionPlace(): SessionPlace {
    return { keyspace: this.#keyspace, state: this.#published, leaderTimeMicros: this.leaderTimeMicros }
  }

  /** The newest audit rows below `beforeSeq`, newest first. */
  auditRows(limit: number, beforeSeq: number): Promise<AuditPage> {
    return this.readNewest(reader => withLoading(() => readAudit(reader, limit, beforeSeq)))
  }

  /** Reads records of the newest root, which stays as it is meanwhile. */
  async readNewest<T>(read: (reader: KeyspaceReader) => Promise<T>): Promise<T> {
    using view = this.#keyspace.view()
    return await read(new KeyspaceReader(view.reader, loadLater(this.#keyspace)))
  }

  apply(batch: EntryBatch, shouldYield: () => boolean): ApplyResult {
    this.#requireRunning()
    try {
      return this.#applyBatch(batch, shouldYield)
    } catch (error) {
      this.#failure = error
      this.#hasStopped = true
      throw error
    }
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new QuorateError('closed', 'the database is closed')
    if (!this.#hasStopped) return
    throw new QuorateError('storage_failed', 'the state machine has stopped', { cause: this.#failure })
  }

  #requireRunning(): void {
    if (this.#failure !== undefined) throw new InvariantError('the state machine has stopped', this.#failure)
  }

  #applyBatch(batch: EntryBatch, shouldYield: () => boolean): ApplyResult {
    const bytes = plainBytes(batch.bytes)
    const outcomes: EntryOutcome[] = []
    let at = this.#offsetOf(batch)
    const firstAt = at
    const firstSeq = this.#seq + 1
    let cold: Promise<void> | undefined
    if (!this.#isEpochOpen) {
      // From the first write to the publication nothing runs but this; after a throw in between, no view is opened any more.
      this.#keyspace.beginEpoch(true)
      this.#isEpochOpen = true
    }
    this.#effects.beginEpoch(this.#effectChain)
    while (at < bytes.length) {
      const next = at + checkEntry(bytes, at, bytes.length)
      const seq = entrySeq(bytes, at)
      if (seq !== this.#seq + 1) throw new InvariantError(`entry ${seq} does not follow ${this.#seq}`)
      this.#keyspace.writer.beginEntry(seq)
      try {
        const outcome = this.#applier.applyEntry(seq, bytes, at, next)
        if (outcome !== undefined) outcomes.push(outcome)
      } catch (error) {
        if (!(error instanceof ColdPages)) throw error
        cold = error.load()
        this.#coldBatches = COLD_BATCHES
        break
      }
      this.#seq = seq
      this.#term = entryTerm(bytes, at)
      at = next
      if (seq % this.#digestInterval === 0) {
        this.#applier.sessions.writeSlots()
        this.#digests.record(seq, this.#effects.chain, this.#keyspace.digestS)
      }
      if (at < bytes.length && shouldYield()) break
    }
    if (cold === undefined) this.#coldBatches--
    if (at > firstAt) {
      const known = at === bytes.length ? batch.lastChain : undefined
      this.#entryChain = known ?? chainEntry(this.#entryChain, bytes, firstAt, at)
      this.#applier.sessions.writeSlots()
      this.#publish(firstSeq, at - firstAt)
    }
    return { appliedThrough: this.#seq, outcomes, cold }
  }

  /** Where the entry after the applied ones begins. */
  #offsetOf(batch: EntryBatch): number {
    const { bytes, firstSeq, lastSeq } = batch
    if (firstSeq > this.#seq + 1 || lastSeq <= this.#seq) {
      throw new InvariantError(`entries ${firstSeq}..${lastSeq} do not follow ${this.#seq}`)
    }
    let at = 0
    for (let seq = firstSeq; seq <= this.#seq; seq++) at += checkEntry(bytes, at, bytes.length)
    return at
  }

  #publish(firstSeq: number, entryBytes: number): void {
    const chained = this.#chained
    chained.before = this.#effectChain
    chained.after = this.#effectChain = this.#effects.chain
    const meta = {
      term: this.#term,
      entryChain: this.#entryChain,
      effectChain: this.#effectChain,
      leaderTimeMicros: this.leaderTimeMicros,
      featureLevel: this.#applier.state.counters.featureLevel,
      membership: this.#applier.membership,
      digests: this.#digests.encoded,
    }
    this.#keyspace.publish(this.#seq, meta, entryBytes)
    this.#isEpochOpen = false
    this.#published = this.#applier.state
    this.memory.settle(this.#published)
    const effects = this.#effects.bytes
    this.#changes.append(firstSeq, this.#seq, this.#entryChain, effects, chained)
    this.#hub.publish(effects, this.#seq)
  }

  /** A pinned view of the newest published state. */
  view(): EngineView {
    this.#requireOpen()
    let pinned: KeyspaceView | undefined = this.#keyspace.view()
    if (pinned.seq > this.#seq) {
      // An install has swapped the root, and what is in memory has not followed yet: until then the state before it is shown.
      pinned.close()
      pinned = this.#keyspace.viewAt(this.#seq)
      if (pinned === undefined) throw this.#unavailable(this.#seq)
    }
    return this.#viewOf(pinned, this.#published, this.leaderTimeMicros)
  }

  #valueOf(key: Uint8Array, seq: number): Promise<Uint8Array | undefined> {
    return this.readNewest(async reader => {
      const record = await withLoading(() => reader.get(key))
      return record?.versionSeq === seq ? record.value : undefined
    })
  }

  #viewOf(pinned: KeyspaceView, state: ClusterState, leaderTimeMicros: number): EngineView {
    return new EngineView({
      seq: pinned.seq,
      leaderTimeMicros,
      state,
      access: () => this.#published.access,
      reader: new KeyspaceReader(pinned.reader, loadLater(this.#keyspace)),
      readerSync: new KeyspaceReader(pinned.reader, loadNow(this.#keyspace)),
      inPlace: { records: pinned.inPlace, onCold: loadNow(this.#keyspace) },
      ...this.#forQueries(),
      release: () => pinned.close(),
    })
  }

  /** The newest state, for reads on this thread that need no view of it. */
  get newest(): NewestSource {
    this.#newest ??= new NewestSource(this.#keyspace, {
      requireOpen: () => this.#requireOpen(),
      published: () => this.#published,
      timeMicros: () => this.leaderTimeMicros,
      beforeInstall: () => this.#beforeInstall,
    })
    return this.#newest
  }

  /** Nothing is under way: see `Keyspace.rest`. */
  rest(): void {
    this.memory.rest()
  }

  /** The oldest seq that `viewAt` can reach. */
  get oldestViewSeq(): number {
    return this.#keyspace.window.oldestSeq
  }

  get isBusy(): boolean {
    return this.#keyspace.isBusy
  }

  get checkpointedSeq(): number {
    return this.#keyspace.superblocks.at(-1)!.seq
  }

  get newestCheckpointSeq(): number {
    return this.#keyspace.superblocks[0]!.seq
  }

  /** The newest durable root came from another node: log entries that do not lead to it are void (DESIGN 5). */
  get isInstalled(): boolean {
    return this.#keyspace.superblocks[0]!.kind === 'install'
  }

  /** See `Keyspace.superviseSuperblocks`; throws `PageDamage`. */
  superviseSuperblocks(proof: SuperblockProof, ledger: SuperblockLedger): void {
    this.#keyspace.superviseSuperblocks(proof, ledger)
  }

  /** What every project holds, and what was done to it since the start, by name; the sums are those of the newest root. */
  projectFigures(): ProjectFigures[] {
    return projectFigures(this.#published.catalog, this.counters, space => this.#keyspace.newest.usage(space))
  }

  get sessionCount(): number {
    return this.#published.counters.sessions
  }

  get keyspaceStats(): KeyspaceStats {
    return this.#keyspace.stats
  }

  prefetch(batch: EntryBatch): void {
    if (this.#coldBatches <= 0) return
    const view = this.#keyspace.view()
    const loads = declaredKeys(batch, this.#published).map(key => {
      const found = view.reader.metadata(key)
      return found instanceof Cold ? this.#keyspace.load(found) : Promise.resolve()
    })
    // A page that cannot be read is met again, and reported, by apply.
    void Promise.allSettled(loads).then(() => view.close())
  }

  async checkpoint(syncedThrough: () => Promise<number>): Promise<CheckpointState> {
    this.#changes.flush()
    this.#dropEpoch()
    const { seq } = await this.#keyspace.checkpoint(async wanted => {
      for (;;) {
        const through = await syncedThrough()
        if (through >= wanted) return through
      }
    })
    return { seq, number: this.#keyspace.superblocks[0]!.number }
  }

  /** The newest published state; only what changed after `since` if that point is one that both sides have recorded alike. */
  snapshotSource(since: SnapshotBase | undefined): Promise<SnapshotSource> {
    return Promise.resolve(this.sourceSince(since !== undefined && this.#digests.has(since) ? since.seq : 0))
  }

  /** What changed after `sinceSeq`, for whoever has the state of this history at that seq or later; 0 = everything. */
  sourceSince(sinceSeq: number): ImageSource {
    const view = this.#keyspace.view()
    return new ImageSource(view, manifestOf(view, this.historyId, sinceSeq))
  }

  /** From now on nothing is applied, until the sink has committed or aborted. */
  async beginInstall(manifest: SnapshotManifest): Promise<SnapshotSink> {
    this.#requireRunning()
    this.#failure = new InvariantError('a snapshot is being installed')
    this.#beforeInstall = this.#keyspace.view()
    this.#dropEpoch()
    const digests = recordsAfterInstall(this.#digests.all, manifest.sinceSeq, manifest, this.#digestInterval)
    return ImageSink.begin(this.#keyspace, manifest, digests, {
      committed: () => this.#adopt(manifest, digests),
      aborted: () => this.#endInstall(),
    })
  }

  /** Between two calls of `apply` one is open only if an entry met a cold page, and empty. A checkpoint would wait for its end. */
  #dropEpoch(): void {
    if (this.#isEpochOpen) this.#keyspace.dropEpoch()
    this.#isEpochOpen = false
  }

  /** Applies again. */
  #endInstall(): void {
    this.#beforeInstall?.close()
    this.#beforeInstall = undefined
    this.#failure = this.#isClosed ? new InvariantError('the state machine is closed') : undefined
  }

  /** The installed root is the newest one: everything in memory follows it. */
  async #adopt(manifest: SnapshotManifest, digests: Uint8Array): Promise<void> {
    const loaded = await loadState(this.#keyspace)
    this.#applier.adopt(loaded.state, manifest.leaderTimeMicros, manifest.configuration, loaded.earliestExpiryMicros)
    this.#published = loaded.state
    this.memory.settle(loaded.state)
    this.#seq = manifest.seq
    this.#term = manifest.term
    this.#entryChain = manifest.chain
    this.#effectChain = manifest.effectChain
    this.#digests.restore(digests)
    await this.#changes.startOver(manifest.seq)
    this.#endInstall()
    if (!isMutant('watch_without_reset')) this.#hub.resetAll()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#beforeInstall?.close()
    this.#failure ??= new InvariantError('the state machine is closed')
    this.#hub.close()
    await this.#changes.close()
    await this.#keyspace.close()
  }

  /** A view of exactly `seq`: the nearest retained root, and the log entries up to `seq` applied again in private. */
  async viewAt(seq: number, entries: ReadEntries): Promise<EngineView> {
    this.#requireOpen()
    if (seq === this.#seq) return this.view()
    const pinned = seq > this.#seq ? undefined : this.#keyspace.viewAt(seq)
    if (pinned?.seq !== seq) this.#keyspace.wantOlder()
    if (pinned === undefined || seq - pinned.seq > REPLAY_ENTRIES_MAX) {
      pinned?.close()
      throw this.#unavailable(seq)
    }
    try {
      const { leaderTimeMicros } = pinned.root.meta
      const base = new KeyspaceReader(pinned.reader, loadLater(this.#keyspace))
      const state = await withLoading(() => loadClusterState(base))
      if (pinned.seq === seq || isMutant('at_seq_without_replay')) return this.#viewOf(pinned, state, leaderTimeMicros)
      return await this.#replayed(seq, pinned, base, state, entries)
    } catch (error) {
      pinned.close()
      throw error
    }
  }

  async #replayed(
    seq: number,
    pinned: KeyspaceView,
    base: KeyspaceReader,
    state: ClusterState,
    entries: ReadEntries,
  ): Promise<EngineView> {
    const store = new PrivateStore(base)
    const effects = new EffectLog()
    effects.beginEpoch(0)
    const applier = new EntryApplier(store, effects, state, pinned.root.meta.leaderTimeMicros)
    await replay(applier, pinned.seq + 1, seq, entries, this.#newSlice(), () => beginAgain(effects))
    const readerSync = store.over(new KeyspaceReader(pinned.reader, loadNow(this.#keyspace)))
    return new EngineView({
      seq,
      leaderTimeMicros: applier.leaderTimeMicros,
      state: applier.state,
      access: () => this.#published.access,
      reader: store,
      readerSync,
      ...this.#forQueries(),
      release: () => pinned.close(),
    })
  }

  #forQueries(): Pick<ViewParts, 'newestCatalog' | 'signCursor' | 'newSlice' | 'counters'> {
    return {
      counters: this.counters,
      newestCatalog: () => this.#published.catalog,
      signCursor: bytes => {
        // The next page is read at this seq.
        this.#keyspace.wantOlder()
        return this.#cursorKey.sign(this.historyId, bytes)
      },
      newSlice: this.#newSlice,
    }
  }

  #unavailable(seq: number): QuorateError {
    return unavailableSeq(seq, this.oldestViewSeq, this.#seq)
  }

  watch(
    selector: ServiceWatch,
    fromSeq: number | undefined,
    sink: WatchSink,
    entries?: ReadEntries,
  ): { close(): void; resume(): void } {
    this.#requireOpen()
    this.#entries ??= entries
    return this.#hub.open(selector, fromSeq, sink)
  }

  watchProgress(): void {
    this.#hub.progress()
  }

  failWatches(error: QuorateError): void {
    this.#hub.failAll(error)
  }
}
