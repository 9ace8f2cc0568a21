import { digestToHex, equalDigests } from '../encoding/index.ts'
import type { Digest64 } from '../encoding/index.ts'
import { QuorateError } from '../model/index.ts'
import type { LeaderHint, StateMachine } from '../model/index.ts'
import type { Clock, Timers } from '../platform/index.ts'
import type { Digest, Input, RaftCore } from './core/index.ts'
import { activeConfiguration, NO_NODE } from './core/index.ts'
import type { Dispute } from './disputes.ts'
import { DriftWatch } from './drift.ts'
import type { Drift } from './drift.ts'
import type { FenceFile } from './fence-file.ts'
import { isMutant } from './mutants.ts'
import type { SnapshotWantedMessage } from './wire/index.ts'

export interface FenceOptions {
  core: RaftCore
  machine: StateMachine
  clock: Clock
  timers: Timers
  file: FenceFile
  input: (input: Input) => void
  /** Leader time as far as this node can tell, us. */
  leaderTimeMicros: () => number
  leaderHint: () => LeaderHint | undefined
  /** From now on nothing is answered out of the own state, and none of it leaves: whoever waits for it hears `error`. */
  onFenced: (error: QuorateError) => void
  /** For the operator: the fence is up because of `drift`, or was kept from before the start; undefined: the state was rebuilt, and it is gone. */
  report: (drift: Drift | undefined) => void
  /** This leader and a voter differ, and no majority is known to have either. */
  onDispute: (dispute: Dispute) => void
  /** Nothing is applied until `release`. Resolves when nothing is under way. */
  hold: () => Promise<void>
  release: () => void
  send: (message: SnapshotWantedMessage) => void
  onFailed: (error: Error) => void
}

/** A replica is rebuilt by itself at most so often: one that drifts again is for people to look at (DESIGN 7). */
const REBUILD_EVERY_MICROS = 3_600_000_000
/** How long an offer may take, and how soon to ask again after one that stayed away or an install that failed. */
const OFFER_MS_MAX = 3_000
const RETRY_MS = 1_000

/**
 * Keeps a replica whose state differs from its peers' from answering anything out of it, over restarts too, and has it rebuilt from the
 * leader's (DESIGN 7, Digests).
 */
export class Fence {
  readonly #options: FenceOptions
  readonly #watch: DriftWatch
  #drift: Drift | undefined
  /** A rebuild: apply is being held, an offer is waited for, or its install is under way. */
  #attempt: { offerDueMs: number } | undefined
  #nextAttemptMs = Number.NEGATIVE_INFINITY
  /** The own S is being recomputed: of the state before, if another was installed meanwhile. */
  #examination: object | undefined

  constructor(options: FenceOptions) {
    this.#options = options
    this.#watch = new DriftWatch(options.machine)
  }

  /** Puts up the fence that was kept. */
  start(): void {
    const { drift } = this.#options.file.record
    if (drift !== null) this.#putUp(drift)
  }

  /** Where the state was found to differ, if it was. */
  get drift(): Drift | undefined {
    return this.#drift
  }

  /** At a leader that is not fenced: the newest difference from a voter that no majority has decided. */
  get dispute(): Dispute | undefined {
    return this.#drift === undefined ? this.#watch.dispute(this.#voters) : undefined
  }

  get #voters(): readonly number[] {
    return activeConfiguration(this.#options.core.state)?.voters ?? []
  }

  /** This node does not lead any more. */
  ledNoMore(): void {
    this.#watch.ledNoMore()
  }

  /** Why nothing is answered out of the own state, if it is not. */
  get error(): QuorateError | undefined {
    return this.#drift === undefined ? undefined : fencedError(this.#options.leaderHint())
  }

  /** The newest own digest if it was not given out yet. */
  newestDigest(): Digest | undefined {
    return this.#watch.newest()
  }

  /** Another replica's digest, or what the leader says that a majority has. */
  compare(from: number, digest: Digest, isAgreed: boolean): void {
    const found = isAgreed ? this.#watch.noteAgreed(digest) : this.#note(from, digest)
    if (found !== undefined) this.#differs(found)
  }

  #note(from: number, digest: Digest): Drift | undefined {
    const { core, input, onDispute } = this.#options
    const { id } = core.state
    const voters = this.#voters
    const found = this.#watch.note(from, digest, id, voters)
    if (found !== undefined) return found
    const agreed = this.#watch.agreed(id, voters)
    if (agreed !== undefined) input({ type: 'agreedDigest', digest: agreed })
    const dispute = this.#watch.newDispute()
    if (dispute !== undefined && this.#drift === undefined) onDispute(dispute)
    return undefined
  }

  /** To be called when entries were applied, before anybody is answered out of the state. */
  applied(): void {
    const found = this.#watch.recorded()
    if (found !== undefined) this.#differs(found)
  }

  #differs(drift: Drift): void {
    if (this.#drift === undefined && !isMutant('drift_not_fenced')) this.#found(drift)
  }

  /**
   * A peer took the own state as it was sent and finds another S than was announced. If the own pages say the same, S has drifted: then
   * this replica must neither lead nor give its state to anyone. Otherwise the peer has it wrong.
   */
  doubt(): void {
    if (this.#drift !== undefined || this.#examination !== undefined || isMutant('misfit_not_examined')) return
    this.#examination = {}
    this.#examine(this.#examination).catch((error: unknown) => this.#options.onFailed(error as Error))
  }

  async #examine(examination: object): Promise<void> {
    const { machine, timers } = this.#options
    const { carried, found } = await machine.recomputeDigest(() => new Promise(resolve => timers.endOfTurn(resolve)))
    if (this.#examination !== examination) return
    this.#examination = undefined
    if (this.#drift !== undefined || equalDigests(carried.sum, found)) return
    const { seq, effectChain, sum } = carried
    const text = (s: Digest64): string => `${effectChain}:${digestToHex(s)}`
    this.#found({ seq, own: text(sum), others: text(found) })
  }

  #found(drift: Drift): void {
    const { file, onFailed } = this.#options
    this.#putUp(drift)
    file.write({ ...file.record, drift }).catch((error: unknown) => onFailed(error as Error))
  }

  #putUp(drift: Drift): void {
    const { input, onFenced, report, leaderHint } = this.#options
    this.#drift = drift
    report(drift)
    input({ type: 'fence', isFenced: true })
    onFenced(fencedError(leaderHint()))
  }

  /** Now and then: asks to be rebuilt. Whoever leads hands over first, for the core does so when it is fenced. */
  turn(nowMs: number): void {
    const { core } = this.#options
    const attempt = this.#attempt
    if (attempt !== undefined) {
      if (core.state.pendingInstall === null && nowMs >= attempt.offerDueMs) this.#giveUp()
      return
    }
    const { id, leader, pendingInstall } = core.state
    const mayAsk = leader !== NO_NODE && leader !== id && pendingInstall === null
    if (this.#drift === undefined || !mayAsk || nowMs < this.#nextAttemptMs || !this.#isRebuildDue()) return
    this.#attempt = { offerDueMs: Number.POSITIVE_INFINITY }
    this.#ask(this.#attempt).catch((error: unknown) => this.#options.onFailed(error as Error))
  }

  #isRebuildDue(): boolean {
    const { rebuiltAtMicros } = this.#options.file.record
    return rebuiltAtMicros === 0 || this.#options.leaderTimeMicros() - rebuiltAtMicros >= REBUILD_EVERY_MICROS
  }

  /** While the own state goes on, no snapshot would ever be as new. */
  async #ask(attempt: { offerDueMs: number }): Promise<void> {
    const { core, machine, clock, input, hold, send } = this.#options
    await hold()
    if (this.#attempt !== attempt) return
    const { id: from, leader: to, term } = core.state
    attempt.offerDueMs = clock.monotonicMs() + OFFER_MS_MAX
    input({ type: 'rebuild', fromSeq: machine.appliedSeq })
    if (to !== NO_NODE) send({ type: 'snapshotWanted', from, to, term, seq: machine.appliedSeq })
  }

  #giveUp(): void {
    this.#options.release()
    this.failed()
  }

  /** An install failed; nothing was changed. */
  failed(): void {
    if (this.#attempt === undefined) return
    this.#attempt = undefined
    this.#nextAttemptMs = this.#options.clock.monotonicMs() + RETRY_MS
    this.#options.input({ type: 'rebuild', fromSeq: null })
  }

  /** The state is the leader's, durably. The fence goes once that is remembered. */
  async installed(): Promise<void> {
    const isRebuilt = this.#attempt !== undefined
    this.#attempt = undefined
    this.#examination = undefined
    this.#watch.clear()
    if (this.#drift === undefined) return
    await this.#forget(isRebuilt ? this.#options.leaderTimeMicros() : undefined)
    this.#drift = undefined
    this.#options.report(undefined)
    this.#options.input({ type: 'fence', isFenced: false })
  }

  #forget(rebuiltAtMicros: number = this.#options.file.record.rebuiltAtMicros): Promise<void> {
    return this.#options.file.write({ drift: null, rebuiltAtMicros })
  }
}

/** What a replica that has drifted says instead of an answer. */
export function fencedError(leader: LeaderHint | undefined): QuorateError {
  const message = 'this node differs from its peers and answers nothing until it is rebuilt'
  return new QuorateError('fenced', message, { retryable: true, ...(leader && { leader }) })
}
