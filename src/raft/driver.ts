import type { SessionOpening } from '../encoding/index.ts'
import { QuorateError } from '../model/index.ts'
import type { ClusterSettings, EntryOutcome, PeerChannel, PeerIdentity, PeerTransport } from '../model/index.ts'
import { ApplyLoop } from './apply-loop.ts'
import type { Effect, EntryBatch, Input, RaftCore, SnapshotMeta } from './core/index.ts'
import { activeConfiguration, NO_NODE } from './core/index.ts'
import { coreSettings } from './core-settings.ts'
import { Deferral } from './deferral.ts'
import { Fence } from './fence.ts'
import { Forwarding } from './forwarding.ts'
import { Founding } from './founding.ts'
import { GroupTime } from './group-time.ts'
import { Maintenance } from './maintenance.ts'
import { MemberNames } from './member-names.ts'
import { NodeSession } from './node-session.ts'
import { Openings } from './openings.ts'
import type { ReplicaOptions } from './options.ts'
import { Peers } from './peers.ts'
import { Persistence } from './persistence.ts'
import { Proposer } from './proposer.ts'
import { type ReadGroup, Reads } from './reads.ts'
import { type ApplyTiming, RequestTable } from './requests.ts'
import { SnapshotShipping } from './snapshot-shipping/index.ts'
import { startCore } from './start-core.ts'
import { followerPlace, leaderHintOf, lowestMatch, memberPlace } from './status.ts'
import { Transfers } from './transfers.ts'
import { Turns } from './turns.ts'
import { unknownEffect } from './unknown-effect.ts'
import { appendWanted } from './wanted-entries.ts'
import { isCoreMessage } from './wire/index.ts'
import type { IncomingPeerMessage } from './wire/index.ts'

/** How often time limits are looked at. */
const EXPIRE_EVERY_MS = 50

/**
 * Drives the pure core with the log, the links and the state machine (raft.md 7.8). One turn collects everything that waits, steps the
 * core, carries out its effects in order, and ends with what is to be sent.
 */
export class Driver {
  readonly #options: ReplicaOptions
  readonly core: RaftCore
  readonly #transport: PeerTransport
  readonly #names: MemberNames
  readonly peers: Peers
  readonly founding: Founding
  readonly #persistence: Persistence
  readonly apply: ApplyLoop
  readonly #deferral: Deferral
  /** Watches that are open on this node. */
  watches = 0
  readonly reads: Reads
  readonly requests: RequestTable
  readonly proposer: Proposer
  readonly #forwarding: Forwarding
  readonly time: GroupTime
  readonly fence: Fence
  readonly maintenance: Maintenance
  readonly session: NodeSession
  readonly shipping: SnapshotShipping
  readonly openings: Openings
  /** Members, leader or term changed. */
  onTopologyChanged: (() => void) | undefined
  readonly #turns: Turns
  #lastExpiredMs = 0
  /** What the core was last told of. */
  #settings: ClusterSettings
  readonly transfers: Transfers
  /** Why it has stopped for good. */
  stopped: QuorateError | undefined
  /** The leader and term that waiting requests were last brought to. */
  #placedWith: { term: number; leader: number } = { term: 0, leader: NO_NODE }

  // Wiring only: each part is told what it needs of the others, in one place.
  // oxlint-disable-next-line max-lines-per-function
  private constructor(options: ReplicaOptions, core: RaftCore, lastTimeMicros: number) {
    this.#options = options
    this.core = core
    this.#settings = options.machine.settings
    const { log, machine, clock, timers, random, groupId } = options
    this.requests = new RequestTable(() => clock.monotonicMs(), options.requestLimits?.waitingBytes)
    const transport = options.createTransport(
      () => this.identity,
      name => this.#names.directoryOf(name),
    )
    transport.onRefusal = (peer, reason, detail) => this.founding.refusal(peer, reason, detail)
    this.#transport = transport
    const onFailed = (error: Error): void => this.fail(error)
    this.transfers = new Transfers(to => this.input({ type: 'transfer', to }))
    machine.onStorageFailed = onFailed
    const wallMicros = (): number => this.time.toldMicros
    const run = (): void => this.#turn()
    this.#turns = new Turns({ core, log, clock, wallMicros, timers, run, dueMs: () => this.#dueMs, onFailed })
    this.time = new GroupTime({ core, log, machine, clock, lastTimeMicros })
    this.fence = new Fence({
      core,
      machine,
      clock,
      timers,
      file: options.fenceFile,
      input: input => this.input(input),
      leaderTimeMicros: () => this.time.estimated,
      leaderHint: () => leaderHintOf(core, options.members),
      onFenced: error => this.#fenced(error),
      report: drift => options.onFence?.(drift),
      onDispute: dispute => options.onDispute?.({ ...dispute, peer: this.#names.nameOf(dispute.peer) ?? '' }),
      hold: () => this.apply.hold(),
      release: () => this.apply.release(),
      send: message => this.peers.sendNow(message),
      onFailed,
    })
    this.#names = new MemberNames(core, options.members)
    this.peers = new Peers({
      transport,
      groupId,
      log,
      names: this.#names,
      onMessage: message => this.#receive(message),
      onUnreachable: peer => this.input({ type: 'unreachable', peer }),
    })
    this.founding = new Founding({
      core,
      replica: options,
      transport,
      peers: this.peers,
      names: this.#names,
      onFirstEntry: batch => this.#firstEntry(batch),
    })
    this.maintenance = new Maintenance({
      machine,
      log,
      clock,
      timers,
      checkpointLogBytes: options.checkpointLogBytes,
      checkpointAgeMs: options.checkpointAgeMs,
      lagLogBytes: options.lagLogBytes,
      onFailed,
      onCompacted: seq => this.input({ type: 'compacted', seq }),
      place: () => memberPlace(core),
      neededFrom: () => lowestMatch(core),
    })
    this.#persistence = new Persistence({
      log,
      clock,
      onPersisted: ioSeq => this.input({ type: 'persisted', ioSeq }),
      onAppended: bytes => {
        this.maintenance.appended(bytes)
        this.#deferral.appended(bytes)
      },
      onReset: () => this.apply.run(),
      onFailed,
    })
    this.#deferral = new Deferral({
      clock,
      timers,
      isAwaited: () => this.leads || this.requests.count > 0 || this.reads.areLikely || this.watches > 0,
      place: () => followerPlace(core),
      onDue: () => this.apply.run(),
    })
    this.apply = new ApplyLoop({
      machine,
      log,
      clock,
      timers,
      deferral: this.#deferral,
      // A leader's own sync is seldom what its majority lacks, while a follower's answer is what its leader waits for.
      isPressed: () => !this.leads && this.#persistence.hasUnreportedSync,
      onOutcomes: (outcomes, timing) => this.#answer(outcomes, timing),
      onApplied: () => this.#applied(),
      onFailed,
    })
    this.reads = new Reads({
      machine,
      log,
      clock,
      ask: (group, mode) => this.input({ type: 'read', ctx: group, mode }),
      leaderHint: () => leaderHintOf(core, options.members),
      onAsked: () => this.apply.catchUp(),
      refusal: () => this.founding.error ?? this.fence.error,
    })
    this.proposer = new Proposer({ machine, clock, afterRound: (then, failed) => this.#afterRound(then, failed) })
    this.openings = new Openings({ core, proposer: this.proposer, forwarding: () => this.#forwarding, timers })
    this.#forwarding = new Forwarding({
      random,
      peers: this.peers,
      requests: this.requests,
      own: core.state,
      // Sent to a leader that is none any more: its node offers it to the next one.
      offer: proposal => this.leads && this.proposer.offer(proposal),
      openSession: (opening, handler) => this.openings.propose(opening, handler),
      onPlaceAgain: () => this.schedule(),
      limits: options.requestLimits,
    })
    this.session = new NodeSession({
      open: (caller, nonce) => this.openSession({ caller, kind: 'node', nonce }, 5_000),
      random,
      timers,
    })
    this.shipping = new SnapshotShipping({
      machine,
      minSeq: () => machine.appliedSeq + (this.fence.drift === undefined ? 1 : 0),
      self: () => core.state.id,
      // What has stopped says nothing more.
      send: (_to, message) => this.stopped === undefined && this.peers.sendNow(message),
      bufferedBytes: to => this.peers.bufferedBytes(to, 'snapshot'),
      clock,
      timers,
      random,
      onSent: (to, seq, isOk) => this.input({ type: 'snapshotSent', to, seq, isOk }),
      onMisfit: () => this.fence.doubt(),
      onInstalled: meta => this.#installed(meta),
      onFailed: (reason, mustReopen) => {
        if (mustReopen) return this.fail(new QuorateError('unavailable', `the install of a snapshot failed: ${reason}`))
        this.apply.release()
        this.input({ type: 'snapshotFailed' })
        this.fence.failed()
      },
      // From its beginning on the state machine applies nothing (S3), whatever was committed before.
      beforeInstall: async sinceSeq => {
        await this.apply.hold()
        // What is shared with the old tree must be on file, or a restart could not go on from there.
        if (sinceSeq > 0) await this.maintenance.checkpoint()
      },
      beforeCommit: () => this.apply.hold(),
      ...(options.snapshotLimits !== undefined && { limits: options.snapshotLimits }),
    })
  }

  /** Starts a replica from what its directory holds. The links are opened here; the log must report its syncs to `logSynced`. */
  static async start(options: ReplicaOptions): Promise<Driver> {
    const { core, lastTimeMicros } = await startCore(options)
    const driver = new Driver(options, core, lastTimeMicros)
    options.onStarted(driver)
    driver.fence.start()
    const transport = driver.#transport
    transport.onFrame = (_peer, _channel, frame) => driver.peers.receive(frame)
    transport.onLink = (peer, channel, isOpen) => driver.#linkChanged(peer, channel, isOpen)
    await transport.start()
    driver.schedule()
    return driver
  }

  // --- what the log and the owner tell -----------------------------------------------------------------------------------------

  /** The log has synced everything through its number `logIo`. */
  logSynced(logIo: number): void {
    this.#persistence.synced(logIo)
  }

  logFailed(error: Error): void {
    this.input({ type: 'ioFailed', error: error.message })
    this.fail(error)
  }

  // --- the turn ----------------------------------------------------------------------------------------------------------------

  input(input: Input): void {
    this.#turns.input(input)
  }

  schedule(): void {
    this.#turns.schedule()
  }

  #turn(): void {
    const effects = this.#step()
    for (const effect of effects) if (effect.type !== 'commit') this.#execute(effect)
    this.peers.flush()
    // First what peers wait for, whose way is the longest, then the own disk, and apply while both are at work.
    this.#options.log.wake()
    for (const effect of effects) if (effect.type === 'commit') this.apply.committed(effect.seq)
    this.#writeInline()
    this.reads.turnEnded()
  }

  #step(): Effect[] {
    const core = this.core
    const nowMs = this.#turns.stepInputs()
    this.#housekeep(nowMs)
    core.step({ type: 'diskHealth', oldestPendingMs: this.#persistence.oldestPendingMs })
    core.step({ type: 'tick' })
    appendWanted(core, this.time)
    this.#place()
    return core.takeEffects()
  }

  /** What is looked at now and then: time limits, ticks of leader time, the bootstrap, digests. */
  #housekeep(nowMs: number): void {
    const core = this.core
    const digest = this.fence.newestDigest()
    if (digest !== undefined) core.step({ type: 'digest', digest })
    if (nowMs - this.#lastExpiredMs >= EXPIRE_EVERY_MS) {
      this.#lastExpiredMs = nowMs
      this.requests.expire(this.time.estimated)
      this.proposer.expire()
      this.reads.expire(nowMs)
      this.maintenance.turn()
      this.fence.turn(nowMs)
      this.#forwarding.tryAgain()
      if (this.leads && this.time.isSet) this.maintenance.tick(core, this.proposer, this.time.next())
    }
    this.founding.turn(nowMs)
  }

  /** Brings waiting requests to the leader, which may be here. */
  #place(): void {
    const { state } = this.core
    // What was placed with another leader comes before what is new.
    if (this.#placedWith.term !== state.term || this.#placedWith.leader !== state.leader) this.#leaderChanged()
    if (state.role !== 'leader') {
      if (state.leader !== NO_NODE) this.#forwarding.place(state.leader, state.term)
      return
    }
    if (!this.time.isSet) return
    for (const waiting of this.requests.takeUnplaced(state.term)) this.proposer.offer(waiting)
    const batch = this.proposer.appendTo(this.core, () => this.time.next())
    this.proposer.askRounds()
    if (batch === undefined) return
    const bytes = batch.ref as Uint8Array
    this.#options.machine.prefetch({ firstSeq: batch.firstSeq, lastSeq: batch.lastSeq, bytes })
  }

  #execute(effect: Effect): void {
    switch (effect.type) {
      case 'persist':
        this.#persistence.persist(effect)
        return
      case 'send':
        this.peers.sendCore(effect.message)
        return
      case 'readReady':
        this.reads.ready(effect.ctx as ReadGroup, effect.seq)
        return
      case 'readFailed':
        this.reads.failed(effect.ctx as ReadGroup, effect.reason)
        return
      case 'roleChanged':
        return this.#roleChanged()
      case 'transferEnded':
        return this.transfers.ended(effect.refusal)
      case 'sendSnapshot':
        this.#ship(effect.to, effect.minSeq)
        return
      case 'installSnapshot':
        this.shipping.install(effect.from, effect.meta)
        return
      case 'peerReport':
        this.#peerReport(effect)
        return
      case 'recoveryEnded':
        this.#options.log.resolveSuspect().catch((error: unknown) => this.fail(error as Error))
        return
      case 'event':
        if (effect.event.name === 'configuration') this.onTopologyChanged?.()
        if (effect.event.name === 'snapshotRefused') this.shipping.offerRefused(effect.event.from)
        return
      case 'configurationChange':
      case 'commit':
        return
      case 'fatal':
        this.fail(new QuorateError('internal', `${effect.code} at ${effect.seq}: ${effect.detail}`))
        return
      default:
        unknownEffect(effect)
    }
  }

  /** The embedded lane of the log writes on this thread, after everything of the turn has been sent. */
  #writeInline(): void {
    if (this.#options.isInline && this.#options.log.state === 'open' && this.#persistence.isPending)
      this.#options.log.flushSync()
  }

  /** When a turn is due although nothing happens. */
  get #dueMs(): number {
    return Math.min(this.core.nextDeadlineMs, this.#lastExpiredMs + EXPIRE_EVERY_MS)
  }

  // --- messages ----------------------------------------------------------------------------------------------------------------

  #receive(message: IncomingPeerMessage): void {
    if (this.stopped !== undefined) return
    if (isCoreMessage(message)) {
      if (message.type === 'appendRequest' && message.entries !== null) {
        const { firstSeq, lastSeq, ref } = message.entries
        this.#options.machine.prefetch({ firstSeq, lastSeq, bytes: ref as Uint8Array })
      }
      this.input({ type: 'recv', message })
      return
    }
    switch (message.type) {
      case 'forward':
      case 'openSession':
      case 'forwardResults':
        this.#forwarding.onMessage(message)
        if (message.type === 'forward') this.input({ type: 'commitAwaited', peer: message.from })
        this.schedule()
        return
      case 'bootstrap':
        this.founding.accept(message.entry)
        return
      case 'membershipNotice':
        this.founding.refused(message.configurationSeq)
        return
      case 'snapshotWanted':
        if (this.leads) this.#ship(message.from, message.seq)
        return
      default:
        this.shipping.onMessage(message)
    }
  }

  /** A state that is not trusted goes nowhere. */
  #ship(to: number, minSeq: number): void {
    if (this.fence.drift !== undefined) return this.input({ type: 'snapshotSent', to, seq: 0, isOk: false })
    this.shipping.ship(to, minSeq, this.core.state.term, offer => {
      this.peers.sendCore(offer)
      this.peers.flush()
    })
  }

  #linkChanged(peer: string, channel: PeerChannel, isOpen: boolean): void {
    this.peers.noteLink(peer, channel, isOpen)
    const nodeId = this.#names.idOf(peer)
    if (nodeId === undefined) return
    if (channel !== 'log') this.shipping.linkChanged(nodeId, isOpen, channel)
    if (!isOpen) this.input({ type: 'unreachable', peer: nodeId })
    else if (channel !== 'snapshot') {
      if (nodeId === this.core.state.leader) this.requests.replaceAll()
      this.schedule()
    }
  }

  #firstEntry(batch: EntryBatch): void {
    this.input({ type: 'bootstrap', batch })
    this.#transport.identityChanged()
  }

  // --- roles and time ----------------------------------------------------------------------------------------------------------

  #roleChanged(): void {
    const { state } = this.core
    if (state.role !== 'leader') {
      this.proposer.clear()
      this.fence.ledNoMore()
    }
    this.maintenance.roleChanged()
    this.apply.catchUp()
    if (state.leader !== NO_NODE) this.session.ensure()
    this.schedule()
    this.onTopologyChanged?.()
  }

  /** What was on its way to the old leader may be lost: all that waits is offered to the new one, in order, as copies. */
  #leaderChanged(): void {
    const { term, leader } = this.core.state
    this.#placedWith = { term, leader }
    this.shipping.abandon()
    this.openings.failAll()
    this.#forwarding.failOpenings(
      new QuorateError('unavailable', 'the leader changed', { retryable: true, applied: 'unknown' }),
    )
    if (leader !== NO_NODE) this.requests.replaceAll()
  }

  #peerReport(report: Extract<Effect, { type: 'peerReport' }>): void {
    const { from, wallMicros, roundTripMs, digest } = report
    this.time.notePeer(from, wallMicros, roundTripMs)
    const isHandicapped = this.time.isClockOff
    if (isHandicapped !== this.core.state.isHandicapped) this.input({ type: 'handicap', isHandicapped })
    if (digest !== null) this.fence.compare(from, digest, roundTripMs === null)
    if (this.requests.hasUnplaced) this.schedule()
  }

  /** From now on nothing is answered out of the own state: who waits for it is sent elsewhere. */
  #fenced(error: QuorateError): void {
    this.reads.failAll(error)
    this.requests.failAll(error)
    this.openings.failAll(error)
    this.shipping.distrustState()
    this.#options.machine.failWatches(error)
  }

  // --- outcomes ----------------------------------------------------------------------------------------------------------------

  /** hot path: bench/cluster. */
  #answer(outcomes: readonly EntryOutcome[], timing: ApplyTiming): void {
    const isFenced = this.fence.drift !== undefined
    for (const entry of outcomes) {
      if (!this.openings.applied(entry) && !isFenced) this.requests.applied(entry, timing)
    }
  }

  #applied(): void {
    this.time.noteApplied()
    this.#followSettings()
    this.fence.applied()
    this.reads.applied()
    this.maintenance.applied()
  }

  /** The machine never changes its settings in place. */
  #followSettings(): void {
    const { settings } = this.#options.machine
    if (settings === this.#settings) return
    this.#settings = settings
    this.input({ type: 'settings', settings: coreSettings(settings) })
  }

  /** A snapshot replaced the state: requests whose entries it covers are answered from their sessions (S8). */
  #installed(meta: SnapshotMeta): void {
    this.input({ type: 'snapshotInstalled', meta })
    this.apply.release()
    this.fence.installed().catch((error: unknown) => this.fail(error as Error))
    for (const { session, serial } of this.requests.all()) {
      const outcome = this.#options.machine.recordedOutcome(session, serial)
      if (outcome !== undefined) this.requests.answer(session, serial, outcome)
    }
    this.requests.replaceAll()
    this.#applied()
    this.onTopologyChanged?.()
  }

  #afterRound(then: () => void, failed: () => void): void {
    const appended = this.core.state.log.lastSeq
    this.reads.afterRound(appended, isConfirmed => {
      if (isConfirmed) then()
      else failed()
      this.schedule()
    })
  }

  get historyId(): string {
    return activeConfiguration(this.core.state)?.historyId ?? this.#options.machine.historyId
  }

  /** Opens a session wherever the leader is; answers its id. */
  openSession(opening: Omit<SessionOpening, 'notAfterMicros'>, timeoutMs: number): Promise<number> {
    if (this.stopped !== undefined) return Promise.reject(this.stopped)
    const notAfterMicros = this.time.estimated + Math.ceil(timeoutMs * 1000)
    const opened = this.openings.open({ ...opening, notAfterMicros }, timeoutMs)
    this.schedule()
    return opened
  }

  get leads(): boolean {
    return this.core.state.role === 'leader'
  }

  get isIdle(): boolean {
    return this.apply.isIdle
  }

  /** Ends what is under way with peers, then the links. */
  async closeLinks(): Promise<void> {
    await this.shipping.close()
    await this.#transport.close()
  }

  /** What this node says of itself when a link opens. */
  get identity(): PeerIdentity {
    const { name, directoryId } = this.#options
    const { id, log } = this.core.state
    const historyId = log.lastSeq > 0 ? activeConfiguration(this.core.state)?.historyId : undefined
    return { name, directoryId, nodeId: historyId === undefined ? 0 : id, historyId }
  }

  /** Stops for good, and tells the owner. */
  fail(cause: Error): void {
    if (this.stopped !== undefined) return
    const code = cause instanceof QuorateError ? cause.code : 'storage_failed'
    this.stop(
      new QuorateError(code, `the replica has stopped: ${cause.message}`, {
        retryable: true,
        applied: 'unknown',
        cause,
      }),
    )
    this.#options.onFatal(cause)
  }

  /** Takes no part any more; everything that waits is told. */
  stop(error: QuorateError): void {
    if (this.stopped !== undefined) return
    this.stopped = error
    this.#turns.stop()
    this.apply.stop()
    this.session.close()
    void this.shipping.close()
    this.reads.failAll(error)
    this.requests.failAll(error)
    this.proposer.clear()
    this.openings.failAll(error)
    this.#forwarding.failOpenings(error)
    this.transfers.ended('stopped')
  }
}
