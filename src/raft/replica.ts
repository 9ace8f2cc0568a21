import { decodeOutcome, encodeConfiguration, encodeSessionOpening, EntryKind } from '../encoding/index.ts'
import type { SessionOpening } from '../encoding/index.ts'
import { QuorateError } from '../model/index.ts'
import type {
  ClusterSettings,
  Consistency,
  DatabaseStatus,
  EntryOutcome,
  LeaderHint,
  NodeService,
  OutcomeHandler,
  PeerIdentity,
  PeerTransport,
  ServiceWatch,
  Topology,
  ViewHandler,
  WatchSink,
} from '../model/index.ts'
import type { Timer } from '../platform/index.ts'
import { ApplyLoop } from './apply-loop.ts'
import { acceptFirstEntry, nextBootstrapStep } from './bootstrap.ts'
import type { Effect, EntryBatch, Input, RaftCore, SnapshotMeta } from './core/index.ts'
import { activeConfiguration, NO_NODE } from './core/index.ts'
import { DriftWatch } from './drift.ts'
import { encodeDrafts, lastLeaderTime } from './entries.ts'
import { Forwarding } from './forwarding.ts'
import { CLOCK_OFFSET_ALARM_MICROS, LeaderClock } from './leader-clock.ts'
import { Maintenance } from './maintenance.ts'
import { NodeSession } from './node-session.ts'
import type { ReplicaOptions } from './options.ts'
import { Peers } from './peers.ts'
import { Persistence } from './persistence.ts'
import { Proposer } from './proposer.ts'
import type { RefusalHandler } from './proposer.ts'
import type { ReadGroup } from './reads.ts'
import { Reads } from './reads.ts'
import { RequestTable } from './requests.ts'
import { SnapshotShipping } from './snapshot-shipping/index.ts'
import { startCore } from './start-core.ts'
import { nodeIdOf, nodeNameOf, replicaStatus, topologyOf } from './status.ts'
import { fromCoreConfiguration, isCoreMessage } from './wire/index.ts'
import type { IncomingPeerMessage } from './wire/index.ts'

/** How often time limits are looked at. */
const EXPIRE_EVERY_MS = 50
const BOOTSTRAP_EVERY_MS = 50

/**
 * One replica of the group on this node: drives the pure core with the log, the links and the state machine (raft.md 7.8). One turn
 * collects everything that waits, steps the core, carries out its effects in order, and ends with what is to be sent.
 */
export class Replica implements NodeService {
  readonly #options: ReplicaOptions
  readonly #core: RaftCore
  readonly #transport: PeerTransport
  readonly #peers: Peers
  readonly #persistence: Persistence
  readonly #apply: ApplyLoop
  readonly #reads: Reads
  readonly #requests = new RequestTable()
  readonly #proposer: Proposer
  readonly #forwarding: Forwarding
  readonly #leaderClock: LeaderClock
  readonly #drift: DriftWatch
  readonly #maintenance: Maintenance
  readonly #session: NodeSession
  readonly #shipping: SnapshotShipping
  readonly #inputs: Input[] = []
  /** Openings that became entries, by seq. */
  readonly #openings = new Map<number, OutcomeHandler>()
  readonly #topologyHandlers = new Set<(topology: Topology) => void>()
  #topologyVersion = 0
  #topology: Topology
  #isTurnScheduled = false
  #deadline: Timer | undefined
  #pendingSince: number | undefined
  #lastExpiredMs = 0
  #lastBootstrapMs = 0
  #unjoinedBecauseOf: string | undefined
  #transfers: ((refusal: string | null) => void)[] = []
  #stopped: QuorateError | undefined
  /** The leader and term that waiting requests were last brought to. */
  #placedWith: { term: number; leader: number } = { term: 0, leader: NO_NODE }
  #isDraining = false

  private constructor(options: ReplicaOptions, core: RaftCore, lastTimeMicros: number) {
    this.#options = options
    this.#core = core
    const { log, machine, clock, timers, random, groupId } = options
    const transport = options.createTransport(() => this.identity)
    this.#transport = transport
    const onFailed = (error: Error): void => this.#fail(error)
    this.#leaderClock = new LeaderClock(clock)
    this.#leaderClock.noteEntry(lastTimeMicros)
    this.#drift = new DriftWatch(machine)
    this.#peers = new Peers({
      transport,
      groupId,
      log,
      nameOf: id => nodeNameOf(core, options.members, id),
      idOf: name => nodeIdOf(core, options.members, name),
      onMessage: message => this.#receive(message),
      onUnreachable: peer => this.#input({ type: 'unreachable', peer }),
    })
    this.#maintenance = new Maintenance({
      machine,
      log,
      clock,
      timers,
      checkpointLogBytes: options.checkpointLogBytes,
      checkpointAgeMs: options.checkpointAgeMs,
      onFailed,
      onCompacted: seq => this.#input({ type: 'compacted', seq }),
      neededFrom: () => this.#lowestMatch(),
    })
    this.#persistence = new Persistence({
      log,
      onPersisted: ioSeq => this.#input({ type: 'persisted', ioSeq }),
      onAppended: bytes => this.#maintenance.appended(bytes),
      onFailed,
    })
    this.#apply = new ApplyLoop({
      machine,
      log,
      clock,
      timers,
      onOutcomes: outcomes => this.#answer(outcomes),
      onApplied: () => this.#applied(),
      onFailed,
    })
    this.#reads = new Reads({
      machine,
      log,
      clock,
      ask: (group, mode) => this.#input({ type: 'read', ctx: group, mode }),
      leaderHint: () => this.leaderHint,
      isFenced: () => core.state.isFenced,
    })
    this.#proposer = new Proposer({ machine, afterRound: (then, failed) => this.#afterRound(then, failed) })
    this.#forwarding = new Forwarding({
      peers: this.#peers,
      requests: this.#requests,
      self: () => core.state.id,
      offer: (request, onRefused) => this.#offer(request, onRefused),
      openSession: (opening, handler) => this.#proposeOpening(opening, handler),
      onPlaceAgain: () => this.#schedule(),
    })
    this.#session = new NodeSession({
      open: (caller, nonce) => this.openSession({ caller, kind: 'node', nonce }, 5_000),
      random,
      timers,
    })
    this.#shipping = new SnapshotShipping({
      machine,
      self: () => core.state.id,
      send: (_to, message) => this.#peers.sendNow(message),
      bufferedBytes: to => this.#peers.bufferedBytes(to),
      clock,
      timers,
      random,
      onSent: (to, seq, isOk) => this.#input({ type: 'snapshotSent', to, seq, isOk }),
      onInstalled: meta => this.#installed(meta),
      onFailed: (reason, mustReopen) => {
        if (mustReopen)
          return this.#fail(new QuorateError('unavailable', `the install of a snapshot failed: ${reason}`))
        this.#apply.release()
        this.#input({ type: 'snapshotFailed' })
      },
      beforeCommit: () => this.#apply.hold(),
    })
    this.#topology = topologyOf(core, options.members, 0)
  }

  /** Starts a replica from what its directory holds. The links are opened here; the log must report its syncs to `logSynced`. */
  static async start(options: ReplicaOptions): Promise<Replica> {
    const { core, lastTimeMicros } = await startCore(options)
    const replica = new Replica(options, core, lastTimeMicros)
    options.onStarted(replica)
    const transport = replica.#transport
    transport.onFrame = (_peer, _channel, frame) => replica.#peers.receive(frame)
    transport.onLink = (peer, channel, isOpen) => replica.#linkChanged(peer, channel, isOpen)
    await transport.start()
    replica.#schedule()
    return replica
  }

  // --- what the log and the owner tell -----------------------------------------------------------------------------------------

  /** The log has synced everything through its number `logIo`. */
  logSynced(logIo: number): void {
    this.#persistence.synced(logIo)
  }

  logFailed(error: Error): void {
    this.#input({ type: 'ioFailed', error: error.message })
    this.#fail(error)
  }

  // --- the turn ----------------------------------------------------------------------------------------------------------------

  #input(input: Input): void {
    if (this.#stopped !== undefined) return
    this.#inputs.push(input)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isTurnScheduled || this.#stopped !== undefined) return
    this.#isTurnScheduled = true
    this.#options.timers.endOfTurn(() => {
      this.#isTurnScheduled = false
      if (this.#stopped === undefined) this.#turn()
    })
  }

  #turn(): void {
    try {
      this.#step()
      this.#peers.flush()
      this.#writeInline()
      this.#reads.turnEnded()
      this.#arm()
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  #step(): void {
    const core = this.#core
    const { clock } = this.#options
    const nowMs = clock.monotonicMs()
    core.step({ type: 'clock', nowMs, wallMicros: clock.wallMicros() })
    for (const input of this.#inputs.splice(0)) core.step(input)
    this.#housekeep(nowMs)
    core.step({
      type: 'diskHealth',
      oldestPendingMs: this.#pendingSince === undefined ? 0 : nowMs - this.#pendingSince,
    })
    core.step({ type: 'tick' })
    this.#appendWanted()
    this.#place()
    for (const effect of core.takeEffects()) this.#execute(effect)
  }

  /** What is looked at now and then: time limits, ticks of leader time, the bootstrap, digests. */
  #housekeep(nowMs: number): void {
    const core = this.#core
    this.#pendingSince = this.#persistence.isPending ? (this.#pendingSince ?? nowMs) : undefined
    const digest = this.#drift.newest()
    if (digest !== undefined) core.step({ type: 'digest', digest })
    if (nowMs - this.#lastExpiredMs >= EXPIRE_EVERY_MS) {
      this.#lastExpiredMs = nowMs
      this.#requests.expire(this.#estimatedLeaderTime())
      this.#reads.expire(nowMs)
      this.#maintenance.turn()
      if (this.#leads()) this.#maintenance.tick(core, this.#proposer, this.#nextLeaderTime())
    }
    if (nowMs - this.#lastBootstrapMs < BOOTSTRAP_EVERY_MS) return
    this.#lastBootstrapMs = nowMs
    if (activeConfiguration(core.state) === undefined) this.#bootstrap()
    else this.#handOn()
  }

  /** Entries that the core itself asks for; its no-op is stamped with the time of the entry before (DESIGN 7). */
  #appendWanted(): void {
    const core = this.#core
    if (core.state.leadership?.wanted.length === 0) return
    this.#noteLastEntry()
    for (let wanted = core.wantedEntry(); wanted !== undefined; wanted = core.wantedEntry()) {
      const { configuration } = wanted
      const isNoop = configuration === null
      const payload = isNoop ? new Uint8Array(0) : encodeConfiguration(fromCoreConfiguration(configuration))
      const draft = { kind: isNoop ? EntryKind.noop : EntryKind.configuration, payload }
      const configurations = isNoop ? [] : [{ seq: wanted.firstSeq, configuration }]
      const time = isNoop ? this.#leaderClock.lastMicros : this.#nextLeaderTime()
      core.step({ type: 'append', batch: encodeDrafts([draft], wanted, time, configurations) })
    }
  }

  /** Time must not fall below that of the newest entry of the log, applied or not. */
  #noteLastEntry(): void {
    const { log, machine } = this.#options
    const last = log.lastSeq > log.base.seq ? log.readCached(log.lastSeq, 1) : undefined
    if (last !== undefined) this.#leaderClock.noteEntry(lastLeaderTime(last.bytes))
    this.#leaderClock.noteEntry(machine.leaderTimeMicros)
  }

  /** Brings waiting requests to the leader, which may be here. */
  #place(): void {
    const { state } = this.#core
    if (state.role !== 'leader') {
      if (state.leader !== NO_NODE) this.#forwarding.place(state.leader, state.term)
      return
    }
    if (!this.#isTimeSet()) return
    for (const waiting of this.#requests.takeUnplaced(state.term)) {
      const { session, serial, request } = waiting
      this.#offer(request, error => this.#requests.fail(session, serial, error))
    }
    const batch = this.#proposer.appendTo(this.#core, () => this.#nextLeaderTime())
    if (batch === undefined) return
    const bytes = batch.ref as Uint8Array
    this.#options.machine.prefetch({ firstSeq: batch.firstSeq, lastSeq: batch.lastSeq, bytes })
  }

  #offer(request: Uint8Array, onRefused: RefusalHandler): void {
    this.#proposer.offer(request, onRefused)
    this.#schedule()
  }

  #execute(effect: Effect): void {
    switch (effect.type) {
      case 'persist':
        this.#persistence.persist(effect)
        return
      case 'send':
        this.#peers.sendCore(effect.message)
        return
      case 'commit':
        this.#apply.committed(effect.seq)
        return
      case 'readReady':
        this.#reads.ready(effect.ctx as ReadGroup, effect.seq)
        return
      case 'readFailed':
        this.#reads.failed(effect.ctx as ReadGroup, effect.reason)
        return
      case 'roleChanged':
        this.#roleChanged()
        return
      case 'transferEnded':
        this.#transferEnded(effect.refusal)
        return
      case 'sendSnapshot':
        this.#shipping.ship(effect.to, effect.minSeq, effect.term, offer => {
          this.#peers.sendCore(offer)
          this.#peers.flush()
        })
        return
      case 'installSnapshot':
        this.#shipping.install(effect.from, effect.meta)
        return
      case 'peerReport':
        this.#peerReport(effect)
        return
      case 'recoveryEnded':
        this.#options.log.resolveSuspect().catch((error: unknown) => this.#fail(error as Error))
        return
      case 'event':
        if (effect.event.name === 'configuration') this.#tellTopology()
        return
      case 'configurationChange':
        return
      case 'fatal':
        this.#fail(new QuorateError('internal', `${effect.code} at ${effect.seq}: ${effect.detail}`))
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

  #arm(): void {
    const { clock, timers } = this.#options
    this.#deadline?.cancel()
    if (this.#stopped !== undefined) return
    const delayMs = Math.min(this.#core.nextDeadlineMs - clock.monotonicMs(), EXPIRE_EVERY_MS)
    this.#deadline = timers.after(Math.max(0, delayMs), () => this.#schedule())
  }

  // --- messages ----------------------------------------------------------------------------------------------------------------

  #receive(message: IncomingPeerMessage): void {
    if (this.#stopped !== undefined) return
    if (isCoreMessage(message)) {
      if (message.type === 'appendRequest' && message.entries !== null) {
        const { firstSeq, lastSeq, ref } = message.entries
        this.#options.machine.prefetch({ firstSeq, lastSeq, bytes: ref as Uint8Array })
      }
      this.#input({ type: 'recv', message })
      return
    }
    switch (message.type) {
      case 'forward':
      case 'openSession':
      case 'forwardResults':
        this.#forwarding.onMessage(message)
        this.#schedule()
        return
      case 'bootstrap':
        this.#acceptBootstrap(message.entry)
        return
      case 'membershipNotice':
        this.#unjoinedBecauseOf = `configuration ${message.configurationSeq}`
        return
      default:
        this.#shipping.onMessage(message)
    }
  }

  #linkChanged(peer: string, channel: string, isOpen: boolean): void {
    const nodeId = nodeIdOf(this.#core, this.#options.members, peer)
    if (nodeId === undefined) return
    if (channel === 'snapshot') this.#shipping.linkChanged(nodeId, isOpen)
    if (!isOpen) this.#input({ type: 'unreachable', peer: nodeId })
    else if (channel === 'control') {
      if (nodeId === this.#core.state.leader) this.#requests.replaceAll()
      this.#schedule()
    }
  }

  // --- bootstrap ---------------------------------------------------------------------------------------------------------------

  #bootstrap(): void {
    const { name, directoryId, members, random } = this.#options
    const identityOf = (peer: string): PeerIdentity | undefined => this.#transport.identityOf(peer)
    const step = nextBootstrapStep({ name, directoryId, members, random, identityOf })
    this.#unjoinedBecauseOf = step.kind === 'unjoined' ? `${step.holder} belongs to a cluster` : undefined
    if (step.kind === 'found') this.#found(step.batch)
  }

  #found(batch: EntryBatch): void {
    this.#core.step({ type: 'bootstrap', batch })
    this.#transport.identityChanged()
    this.#tellTopology()
  }

  #acceptBootstrap(entry: Uint8Array): void {
    if (activeConfiguration(this.#core.state) !== undefined || this.#options.log.lastSeq > 0) return
    const batch = acceptFirstEntry(entry, this.#options.directoryId)
    if (batch === undefined) this.#unjoinedBecauseOf = 'the cluster lists another directory under this name'
    else this.#input({ type: 'bootstrap', batch })
  }

  /** Hands entry 1, once it is durable here, to the empty nodes that it lists: they need it to vote. */
  #handOn(): void {
    const { log, members, name: own } = this.#options
    const { id, term, storage } = this.#core.state
    if (log.base.seq > 0 || storage.durableSeq < 1) return
    for (const { name } of members) {
      const identity = name === own ? undefined : this.#transport.identityOf(name)
      if (identity === undefined || identity.historyId !== undefined) continue
      const first = log.readCached(1, 1)
      const to = nodeIdOf(this.#core, members, name)
      if (first === undefined || to === undefined) return
      this.#peers.send({ type: 'bootstrap', from: id, to, term, entry: firstOf(first.bytes) })
    }
  }

  // --- roles and time ----------------------------------------------------------------------------------------------------------

  #leads(): boolean {
    return this.#core.state.role === 'leader'
  }

  #roleChanged(): void {
    const { state } = this.#core
    if (state.role !== 'leader') this.#proposer.clear()
    this.#maintenance.roleChanged()
    const placedWith = this.#placedWith
    if (placedWith.term !== state.term || placedWith.leader !== state.leader) this.#leaderChanged()
    if (state.leader !== NO_NODE) this.#session.ensure()
    this.#schedule()
    this.#tellTopology()
  }

  /** What was on its way to the old leader may be lost: all that waits is offered to the new one, in order, as copies. */
  #leaderChanged(): void {
    const { term, leader } = this.#core.state
    this.#placedWith = { term, leader }
    this.#shipping.abandon()
    for (const handler of this.#openings.values()) handler(undefined, leaderLost())
    this.#openings.clear()
    this.#forwarding.leaderChanged()
    if (leader !== NO_NODE) this.#requests.replaceAll()
  }

  #voters(): readonly number[] {
    return activeConfiguration(this.#core.state)?.voters ?? []
  }

  /** Until offsets of a majority are known a leader appends only its no-op. */
  #isTimeSet(): boolean {
    return this.#leaderClock.isSet(this.#voters(), this.#core.state.id)
  }

  #nextLeaderTime(): number {
    return this.#leaderClock.next(this.#voters(), this.#core.state.id)
  }

  /** Leader time as far as a node can tell: for time limits of requests that wait here. */
  #estimatedLeaderTime(): number {
    const { machine, clock } = this.#options
    return Math.max(machine.leaderTimeMicros, Math.round(clock.wallMicros() - this.#clockOffset()))
  }

  #clockOffset(): number {
    return this.#leaderClock.ownOffsetMicros(this.#voters(), this.#core.state.id)
  }

  #peerReport(report: Extract<Effect, { type: 'peerReport' }>): void {
    const { from, wallMicros, roundTripMs, digest } = report
    this.#leaderClock.notePeer(from, wallMicros, roundTripMs ?? 0)
    const isHandicapped = Math.abs(this.#clockOffset()) > CLOCK_OFFSET_ALARM_MICROS
    if (isHandicapped !== this.#core.state.isHandicapped) this.#input({ type: 'handicap', isHandicapped })
    if (digest !== null && this.#drift.note(from, digest, this.#voters().length))
      this.#input({ type: 'fence', isFenced: true })
    if (this.#requests.hasUnplaced) this.#schedule()
  }

  #lowestMatch(): number {
    const leadership = this.#core.state.leadership
    if (leadership === null) return Number.POSITIVE_INFINITY
    let lowest = Number.POSITIVE_INFINITY
    for (const progress of leadership.progress.values()) lowest = Math.min(lowest, progress.match)
    return lowest
  }

  // --- outcomes ----------------------------------------------------------------------------------------------------------------

  /** hot path: bench/cluster. */
  #answer(outcomes: readonly EntryOutcome[]): void {
    for (const { seq, session, serial, outcome } of outcomes) {
      const opening = this.#openings.size > 0 ? this.#openings.get(seq) : undefined
      if (opening === undefined) {
        if (!this.#core.state.isFenced) this.#requests.answer(session, serial, outcome)
        continue
      }
      this.#openings.delete(seq)
      opening(outcome, undefined)
    }
  }

  #applied(): void {
    this.#leaderClock.noteEntry(this.#options.machine.leaderTimeMicros)
    this.#reads.applied()
    this.#maintenance.applied()
  }

  /** A snapshot replaced the state: requests whose entries it covers are answered from their sessions (S8). */
  #installed(meta: SnapshotMeta): void {
    this.#input({ type: 'snapshotInstalled', meta })
    this.#apply.release()
    this.#drift.clear()
    if (this.#core.state.isFenced) this.#input({ type: 'fence', isFenced: false })
    for (const { session, serial } of [...this.#requests.all()]) {
      const outcome = this.#options.machine.recordedOutcome(session, serial)
      if (outcome !== undefined) this.#requests.answer(session, serial, outcome)
    }
    this.#requests.replaceAll()
    this.#applied()
    this.#tellTopology()
  }

  #afterRound(then: () => void, failed: () => void): void {
    const appended = this.#core.state.log.lastSeq
    this.#reads.afterRound(appended, isConfirmed => {
      if (isConfirmed) then()
      else failed()
      this.#schedule()
    })
  }

  /** What this node says of itself when a link opens. */
  get identity(): PeerIdentity {
    const { name, directoryId } = this.#options
    const { id, log } = this.#core.state
    const historyId = log.lastSeq > 0 ? activeConfiguration(this.#core.state)?.historyId : undefined
    return { name, directoryId, nodeId: historyId === undefined ? 0 : id, historyId }
  }

  // --- NodeService -------------------------------------------------------------------------------------------------------------

  get historyId(): string {
    return activeConfiguration(this.#core.state)?.historyId ?? this.#options.machine.historyId
  }

  get settings(): ClusterSettings {
    return this.#options.machine.settings
  }

  get leaderTimeMicros(): number {
    return this.#estimatedLeaderTime()
  }

  get leaderHint(): LeaderHint | undefined {
    const { leader, term } = this.#core.state
    const member = this.#topology.members.find(({ nodeId }) => nodeId === leader)
    return member === undefined ? undefined : { nodeId: leader, clientAddress: member.clientAddress, term }
  }

  submit(request: Uint8Array, onOutcome: OutcomeHandler): void {
    const refusal = this.#stopped ?? this.#findRefusal(request)
    if (refusal !== undefined) return onOutcome(undefined, refusal)
    if (this.#requests.add(request, onOutcome) === undefined) {
      const message = 'too many requests wait on this node'
      return onOutcome(undefined, new QuorateError('busy', message, { retryable: true, backoffMs: 50 }))
    }
    this.#schedule()
  }

  #findRefusal(request: Uint8Array): QuorateError | undefined {
    const refusal = this.#options.machine.checkRequest(request)
    return refusal === undefined ? undefined : new QuorateError(refusal.code, refusal.message)
  }

  openSession(opening: Omit<SessionOpening, 'notAfterMicros'>, timeoutMs: number): Promise<number> {
    const notAfterMicros = this.#estimatedLeaderTime() + Math.ceil(timeoutMs * 1000)
    return new Promise((resolve, reject) => {
      const timer = this.#options.timers.after(timeoutMs, () =>
        reject(new QuorateError('unavailable', 'no leader opened the session in time', { retryable: true })),
      )
      const handler: OutcomeHandler = (bytes, error) => {
        timer.cancel()
        if (bytes === undefined) return reject(error!)
        const outcome = decodeOutcome(bytes)
        if (outcome.status === 'committed') resolve(outcome.seq)
        else reject(new QuorateError('session_limit', outcome.message, { retryable: true }))
      }
      const full = { ...opening, notAfterMicros }
      const { role, leader, term } = this.#core.state
      if (this.#stopped !== undefined) handler(undefined, this.#stopped)
      else if (role === 'leader') this.#proposeOpening(full, handler)
      else if (leader !== NO_NODE) this.#forwarding.openSession(leader, term, full, handler)
      else handler(undefined, new QuorateError('unavailable', 'no leader is known here', { retryable: true }))
      this.#schedule()
    })
  }

  #proposeOpening(opening: SessionOpening, handler: OutcomeHandler): void {
    if (!this.#leads()) return handler(undefined, leaderLost())
    this.#proposer.propose(
      EntryKind.openSession,
      encodeSessionOpening(opening),
      seq => this.#openings.set(seq, handler),
      error => handler(undefined, error),
    )
    this.#schedule()
  }

  whenReadable(consistency: Consistency, deadlineMs: number, onView: ViewHandler): void {
    if (this.#stopped !== undefined) return onView(undefined, this.#stopped)
    this.#reads.whenReadable(consistency, deadlineMs, onView)
  }

  nextNodeRequest(): { session: number; serial: number; acknowledgedThrough: number } | undefined {
    return this.#session.next()
  }

  /** An outcome said that the session of this process is gone. */
  nodeSessionEnded(session: number): void {
    this.#session.ended(session)
  }

  watch(selector: ServiceWatch, fromSeq: number | undefined, sink: WatchSink): { close(): void; resume(): void } {
    return this.#options.machine.watch(selector, fromSeq, sink)
  }

  status(): DatabaseStatus {
    return replicaStatus(this.#core, this.#options, this.#topology, this.#unjoinedBecauseOf !== undefined)
  }

  get topology(): Topology {
    return this.#topology
  }

  onTopology(handler: (topology: Topology) => void): () => void {
    this.#topologyHandlers.add(handler)
    return () => this.#topologyHandlers.delete(handler)
  }

  #tellTopology(): void {
    this.#topology = topologyOf(this.#core, this.#options.members, ++this.#topologyVersion)
    for (const handler of this.#topologyHandlers) handler(this.#topology)
  }

  transferLeadership(toNodeId: number | undefined, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.#leads()) {
        const leader = this.leaderHint
        return reject(
          new QuorateError('not_leader', 'this node does not lead', { retryable: true, ...(leader && { leader }) }),
        )
      }
      const timer = this.#options.timers.after(timeoutMs, () =>
        reject(new QuorateError('timeout', 'leadership was not handed over in time', { retryable: true })),
      )
      this.#transfers.push(refusal => {
        timer.cancel()
        if (refusal === null) resolve()
        else reject(new QuorateError('unavailable', `leadership was not handed over: ${refusal}`, { retryable: true }))
      })
      this.#input({ type: 'transfer', to: toNodeId ?? NO_NODE })
    })
  }

  #transferEnded(refusal: string | null): void {
    for (const end of this.#transfers.splice(0)) end(refusal)
  }

  get isDraining(): boolean {
    return this.#isDraining
  }

  // --- operation ---------------------------------------------------------------------------------------------------------------

  /** Takes a checkpoint now. */
  checkpoint(): Promise<number> {
    return this.#maintenance.checkpoint()
  }

  /** The inside, for status pages, metrics and the simulator's oracle. To be read only. */
  inspect(): {
    core: RaftCore['state']
    appliedSeq: number
    waiting: number
    drift: DriftWatch['drift']
    isIdle: boolean
  } {
    const { state } = this.#core
    return {
      core: state,
      appliedSeq: this.#options.machine.appliedSeq,
      waiting: this.#requests.count,
      drift: this.#drift.drift,
      isIdle: this.#apply.isIdle,
    }
  }

  /** Why this node belongs to no cluster, if it does not. */
  get unjoinedReason(): string | undefined {
    return this.#unjoinedBecauseOf
  }

  get failure(): QuorateError | undefined {
    return this.#stopped
  }

  /** Hands leadership over if this node has it; afterwards it can be closed without a gap. */
  async drain(timeoutMs: number): Promise<void> {
    this.#isDraining = true
    if (this.#leads() && this.#voters().length > 1)
      await this.transferLeadership(undefined, timeoutMs).catch(() => undefined)
  }

  /** Stops taking part. What waits is told that its outcome is unknown; log and state machine are the owner's to close. */
  async close(): Promise<void> {
    this.#stop(new QuorateError('closed', 'the node has stopped', { retryable: true, applied: 'unknown' }))
    await this.#shipping.close()
    await this.#maintenance.close()
    await this.#transport.close()
  }

  #fail(cause: Error): void {
    if (this.#stopped !== undefined) return
    const code = cause instanceof QuorateError ? cause.code : 'storage_failed'
    this.#stop(
      new QuorateError(code, `the replica has stopped: ${cause.message}`, {
        retryable: true,
        applied: 'unknown',
        cause,
      }),
    )
    this.#options.onFatal(cause)
  }

  #stop(error: QuorateError): void {
    if (this.#stopped !== undefined) return
    this.#stopped = error
    this.#deadline?.cancel()
    this.#apply.stop()
    this.#session.close()
    void this.#shipping.close()
    this.#reads.failAll(error)
    this.#requests.failAll(({ session, serial, placedTerm }) =>
      placedTerm === 0
        ? new QuorateError(error.code, error.message, { retryable: true, applied: 'no' })
        : new QuorateError(error.code, error.message, {
            retryable: true,
            applied: 'unknown',
            reference: { session, serial },
          }),
    )
    for (const handler of this.#openings.values()) handler(undefined, error)
    this.#openings.clear()
    this.#transferEnded('stopped')
  }
}

function leaderLost(): QuorateError {
  return new QuorateError('not_leader', 'the leader changed', { retryable: true, applied: 'unknown' })
}

function firstOf(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(0, new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true))
}

function unknownEffect(effect: never): never {
  throw new Error(`unknown effect ${JSON.stringify(effect)}`)
}
