import { REQUEST_HEADER_BYTES, repeatedOutcome, requestCopy, requestSerial, requestSession } from '../encoding/index.ts'
import type { SessionOpening } from '../encoding/index.ts'
import { formatToken, QuorateError, SlowRequests } from '../model/index.ts'
import type {
  Applied,
  ClusterSettings,
  Consistency,
  DatabaseStatus,
  DurationHistogram,
  LeaderHint,
  NodeService,
  OutcomeHandler,
  RequestSource,
  ServiceWatch,
  SessionOwner,
  Topology,
  ViewHandler,
  WatchSink,
} from '../model/index.ts'
import type { RaftCore } from './core/index.ts'
import { leaseEndMs, NO_NODE } from './core/index.ts'
import type { Dispute } from './disputes.ts'
import type { Drift } from './drift.ts'
import { Driver } from './driver.ts'
import type { GroupCommits } from './group-commits.ts'
import type { LogHold } from './maintenance.ts'
import type { ReplicaOptions } from './options.ts'
import type { ReadCounts } from './reads.ts'
import { runningCommits, slowCommit } from './running-commits.ts'
import type { ShippingProgress } from './snapshot-shipping/index.ts'
import { leaderHintOf, replicaStatus, topologyOf } from './status.ts'

/** One replica of the group, as its node's doors use it. Everything of consensus is the driver's business. */
export class Replica implements NodeService {
  readonly #options: ReplicaOptions
  readonly #driver: Driver
  readonly #topologyHandlers = new Set<(topology: Topology) => void>()
  #topology: Topology
  #isDraining = false
  #resent = 0
  /** Requests of this node that took long; reads are noted by whoever makes them. */
  readonly slow: SlowRequests = new SlowRequests(Number.POSITIVE_INFINITY)
  /** Candidacies of this node, and terms that it has led, since the start. */
  readonly #elections: { started: number; won: number; lastTerm: number; lastRole: string } = {
    started: 0,
    won: 0,
    lastTerm: 0,
    lastRole: '',
  }

  private constructor(options: ReplicaOptions, driver: Driver) {
    this.#options = options
    this.#driver = driver
    this.#topology = topologyOf(driver.core, options.members, 1)
    driver.onTopologyChanged = () => this.#tellTopology()
    driver.requests.slowMs = () => this.slow.thresholdMs
    driver.requests.onSlow = (...slow) => this.slow.add(slowCommit(...slow, this.#now))
  }

  /** Starts a replica from what its directory holds; opens its links. */
  static async start(options: ReplicaOptions): Promise<Replica> {
    return new Replica(options, await Driver.start(options))
  }

  get historyId(): string {
    return this.#driver.historyId
  }

  get settings(): ClusterSettings {
    return this.#options.machine.settings
  }

  get leaderTimeMicros(): number {
    return this.#driver.time.estimated
  }

  get leaderHint(): LeaderHint | undefined {
    return leaderHintOf(this.#driver.core, this.#options.members)
  }

  submit(request: Uint8Array, onOutcome: OutcomeHandler): void {
    const isCopy = isResent(request)
    if (isCopy) this.#resent++
    const applied = isCopy ? 'unknown' : 'no'
    const { stopped, founding, fence } = this.#driver
    if (stopped !== undefined) return onOutcome(undefined, withApplied(stopped, applied))
    const refusal = this.#findRefusal(request)
    if (refusal !== undefined) {
      // The limits may have been others when it was sent first: what was decided then counts.
      const decided = isCopy ? this.#recordedOutcome(request) : undefined
      return decided === undefined ? onOutcome(undefined, withApplied(refusal, applied)) : onOutcome(decided, undefined)
    }
    const closed = founding.lastingError ?? fence.error
    if (closed !== undefined) return onOutcome(undefined, withApplied(closed, applied, true))
    if (this.#driver.requests.add(request, onOutcome) === undefined) {
      const message = 'too many requests wait on this node'
      return onOutcome(undefined, new QuorateError('busy', message, { retryable: true, backoffMs: 50, applied }))
    }
    this.#driver.schedule()
  }

  #recordedOutcome(request: Uint8Array): Uint8Array | undefined {
    const outcome = this.#options.machine.recordedOutcome(requestSession(request), requestSerial(request))
    return outcome && repeatedOutcome(outcome)
  }

  #findRefusal(request: Uint8Array): QuorateError | undefined {
    const refusal = this.#options.machine.checkRequest(request)
    if (refusal !== undefined) return new QuorateError(refusal.code, refusal.message)
    // Sent again after a change of leader it would be applied twice, and nothing tells its answer from another's.
    if (requestSession(request) === 0)
      return new QuorateError('malformed_request', 'a request to a group has a session')
    return undefined
  }

  get #now(): { nowMs: number; timeMicros: number } {
    return { nowMs: this.#options.clock.monotonicMs(), timeMicros: this.leaderTimeMicros }
  }

  /** The commits that this node has taken and not answered. */
  get commits(): RequestSource {
    return runningCommits(this.#driver.requests, () => this.#options.clock.monotonicMs())
  }

  openSession(opening: Omit<SessionOpening, 'notAfterMicros'>, timeoutMs: number): Promise<number> {
    const unjoined = this.#driver.founding.lastingError
    if (unjoined !== undefined) return Promise.reject(unjoined)
    return this.#driver.openSession(opening, timeoutMs)
  }

  async sessionOwner(session: number, timeoutMs: number): Promise<SessionOwner | undefined> {
    const minSeq = formatToken(this.historyId, session)
    const deadlineMs = this.#options.clock.monotonicMs() + timeoutMs
    // The id of a session is the seq of its opening.
    await new Promise<void>((resolve, reject) =>
      this.whenReadable({ minSeq }, deadlineMs, (view, error) => {
        view?.release()
        if (view === undefined) reject(error!)
        else resolve()
      }),
    )
    return this.#options.machine.sessionOwner(session)
  }

  whenReadable(consistency: Consistency, deadlineMs: number, onView: ViewHandler): void {
    if (this.#driver.stopped !== undefined) return onView(undefined, this.#driver.stopped)
    this.#driver.reads.whenReadable(consistency, deadlineMs, onView)
  }

  nextNodeRequest(): { session: number; serial: number; acknowledgedThrough: number } | undefined {
    return this.#driver.session.next()
  }

  /** An outcome said that the session of this process is gone. */
  nodeSessionEnded(session: number): void {
    this.#driver.session.ended(session)
  }

  watch(selector: ServiceWatch, fromSeq: number | undefined, sink: WatchSink): { close(): void; resume(): void } {
    const closed = this.#driver.founding.error ?? this.#driver.fence.error
    if (closed !== undefined) throw closed
    this.#driver.apply.catchUp()
    const watch = this.#options.machine.watch(selector, fromSeq, sink, this.#driver.reads.entries)
    this.#driver.watches++
    let isOpen = true
    return {
      resume: () => watch.resume(),
      close: () => {
        if (isOpen) this.#driver.watches--
        isOpen = false
        watch.close()
      },
    }
  }

  status(): DatabaseStatus {
    return replicaStatus(
      this.#driver.core,
      this.#options,
      this.#topology,
      this.#driver.founding.unjoinedReason !== undefined,
    )
  }

  get topology(): Topology {
    return this.#topology
  }

  onTopology(handler: (topology: Topology) => void): () => void {
    this.#topologyHandlers.add(handler)
    return () => this.#topologyHandlers.delete(handler)
  }

  #tellTopology(): void {
    this.#countElections()
    this.#topology = topologyOf(this.#driver.core, this.#options.members, this.#topology.version + 1)
    for (const handler of this.#topologyHandlers) handler(this.#topology)
  }

  #countElections(): void {
    const { role, term } = this.#driver.core.state
    const counted = this.#elections
    const isNew = role !== counted.lastRole || term !== counted.lastTerm
    const wasCandidate = counted.lastRole === 'candidate' && counted.lastTerm === term
    // A group of one is candidate and leader in one step, of which only the end is told.
    if (isNew && (role === 'candidate' || (role === 'leader' && !wasCandidate))) counted.started++
    if (isNew && role === 'leader') counted.won++
    counted.lastRole = role
    counted.lastTerm = term
  }

  transferLeadership(toNodeId: number | undefined, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.#driver.leads) {
        const leader = this.leaderHint
        return reject(
          new QuorateError('not_leader', 'this node does not lead', { retryable: true, ...(leader && { leader }) }),
        )
      }
      if (toNodeId === this.#driver.core.state.id) return resolve()
      const timer = this.#options.timers.after(timeoutMs, () =>
        reject(new QuorateError('timeout', 'leadership was not handed over in time', { retryable: true })),
      )
      this.#driver.transfers.begin(toNodeId ?? NO_NODE, refusal => {
        timer.cancel()
        if (refusal === null) resolve()
        else reject(transferError(refusal, toNodeId))
      })
    })
  }

  get isDraining(): boolean {
    return this.#isDraining
  }

  /** Takes a checkpoint now. */
  checkpoint(): Promise<number> {
    return this.#driver.maintenance.checkpoint()
  }

  /** Has the log keep what it has until it is released, within the bound that peers have, too. */
  holdLog(): LogHold {
    return this.#driver.maintenance.holdLog()
  }

  /** @throws QuorateError if the state of this node is not one to be given away: fenced, unjoined, or the node has stopped */
  requireTrusted(): void {
    const { stopped, fence } = this.#driver
    const refusal = stopped ?? fence.error
    if (refusal !== undefined) throw refusal
    const reason = this.unjoinedReason
    if (reason !== undefined) throw new QuorateError('unjoined', reason, { retryable: true })
  }

  /** The inside, for status pages, metrics and the simulator's oracle. To be read only. */
  inspect(): {
    core: RaftCore['state']
    appliedSeq: number
    waiting: number
    /** Requests that came as copies: whoever sent them had no answer. */
    resent: number
    /** Frames of peers that could not be read. */
    malformedFrames: number
    reads: Readonly<ReadCounts>
    snapshots: ShippingProgress
    /** How far the own clock is ahead of the median of the voters', as far as they are known. */
    clockOffsetMicros: number
    drift: Drift | undefined
    /** At a leader: where a voter's state differs from the own, and no majority is known to have either. */
    dispute: Dispute | undefined
    isIdle: boolean
    elections: { readonly started: number; readonly won: number }
    checkpoints: { count: number; ageMs: number; lastDurationMs: number }
    /** From the arrival of a commit to its outcome, and how long batches of entries took to apply. */
    durations: { readonly commit: DurationHistogram; readonly apply: DurationHistogram }
    /** Entries that were applied together. */
    epochs: DurationHistogram
    /** Of the entries that were known to be committed at the start. */
    replayMs: number | undefined
    groups: GroupCommits
    preflights: { readonly doubted: number; readonly refused: number }
    /** At the leader: for how long no other one can have been elected, ms. */
    leaseMs: number | undefined
    peerClockOffsetMicros: (nodeId: number) => number | undefined
  } {
    const { state } = this.#driver.core
    const leaseEnd = leaseEndMs(state)
    return {
      core: state,
      appliedSeq: this.#options.machine.appliedSeq,
      waiting: this.#driver.requests.count,
      resent: this.#resent,
      malformedFrames: this.#driver.peers.malformedFrames,
      reads: this.#driver.reads.counts,
      snapshots: this.#driver.shipping.progress,
      clockOffsetMicros: this.#driver.time.ownOffsetMicros,
      drift: this.#driver.fence.drift,
      dispute: this.#driver.fence.dispute,
      isIdle: this.#driver.isIdle,
      elections: this.#elections,
      checkpoints: this.#driver.maintenance.checkpoints,
      durations: { commit: this.#driver.requests.latency, apply: this.#driver.apply.duration },
      epochs: this.#driver.apply.epochs,
      replayMs: this.#driver.apply.replayMs,
      groups: this.#driver.proposer.groups,
      preflights: this.#driver.proposer.preflights,
      leaseMs: leaseEnd === undefined ? undefined : Math.max(0, leaseEnd - this.#options.clock.monotonicMs()),
      peerClockOffsetMicros: nodeId => this.#driver.time.peerOffsetMicros(nodeId),
    }
  }

  /** Why this node belongs to no cluster, if it does not. */
  get unjoinedReason(): string | undefined {
    return this.#driver.founding.unjoinedReason
  }

  get failure(): QuorateError | undefined {
    return this.#driver.stopped
  }

  /** Hands leadership over if this node has it; afterwards it can be closed without a gap. */
  async drain(timeoutMs: number): Promise<void> {
    this.#isDraining = true
    if (this.#driver.leads && this.#topology.members.length > 1) {
      await this.transferLeadership(undefined, timeoutMs).catch(() => undefined)
    }
  }

  /** Stops taking part. What waits is told that its outcome is unknown; log and state machine are the owner's to close. */
  async close(): Promise<void> {
    this.#driver.stop(new QuorateError('closed', 'the node has stopped', { retryable: true, applied: 'unknown' }))
    await this.#driver.maintenance.close()
    await this.#driver.closeLinks()
  }
}

function transferError(refusal: string, toNodeId: number | undefined): QuorateError {
  if (refusal === 'unknownMember' && toNodeId !== undefined)
    return new QuorateError('not_found', 'no other member has this id')
  return new QuorateError('unavailable', `leadership was not handed over: ${refusal}`, { retryable: true })
}

/** Whether it is no first sending; what is too short to tell is none. */
function isResent(request: Uint8Array): boolean {
  return request.length >= REQUEST_HEADER_BYTES && requestCopy(request) !== 0
}

function withApplied(error: QuorateError, applied: Applied, retryable: boolean = error.retryable): QuorateError {
  const { code, message, leader, detail, backoffMs, cause } = error
  const kept = { ...(leader && { leader }), ...(detail && { detail }), ...(backoffMs !== undefined && { backoffMs }) }
  return new QuorateError(code, message, { retryable, applied, cause, ...kept })
}
