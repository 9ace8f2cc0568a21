import { EntryKind, requestCopy, requestSerial, requestSession } from '../encoding/index.ts'
import { QuorateError } from '../model/index.ts'
import type { RequestRefusal, StateMachine } from '../model/index.ts'
import type { Clock } from '../platform/index.ts'
import type { EntryBatch, RaftCore } from './core/index.ts'
import { BusySessions } from './busy-sessions.ts'
import { draftBytes, encodeDrafts } from './entries.ts'
import type { Draft } from './entries.ts'
import { GroupCommits } from './group-commits.ts'
import { isMutant } from './mutants.ts'

/** What is to become an entry, and hears if it does not; of what does, apply tells. */
export interface Proposal extends Draft {
  refused?(error: QuorateError): void
  /** Told the entry's seq once it is appended. */
  appended?(seq: number): void
}

interface Doubt {
  session: number
  requests: Proposal[]
}

export interface ProposerOptions {
  machine: StateMachine
  clock: Clock
  /** Asks for a leader-made read round; `then` runs once everything appended before it is applied. */
  afterRound: (then: () => void, failed: () => void) => void
}

/** The leader's side of a write: gathers what a turn proposes and makes one batch of entries of it (DESIGN 7.3, 7.4). */
export class Proposer {
  readonly #options: ProposerOptions
  readonly groups: GroupCommits = new GroupCommits()
  /** Requests that the newest state seemed to refuse before they were logged, and those that a round has refused. */
  readonly preflights: { doubted: number; refused: number } = { doubted: 0, refused: 0 }
  #queue: Proposal[] = []
  /** Serials that were refused as busy: later ones of their session wait for them (links are FIFO). */
  readonly #busy: BusySessions
  /** By session: a request that the state seems to refuse, and all that its session asked after it, until a round has decided. */
  readonly #doubted = new Map<number, Doubt>()
  /** Doubted since the last turn: their rounds begin once everything before them is appended. */
  #newDoubts: Doubt[] = []

  constructor(options: ProposerOptions) {
    this.#options = options
    this.#busy = new BusySessions(() => options.clock.monotonicMs())
  }

  /** Takes a request of this node or a forwarded one; its payload belongs to the proposer. hot path: bench/cluster. */
  offer(proposal: Proposal): void {
    const request = proposal.payload
    const session = requestSession(request)
    const serial = requestSerial(request)
    const isCopy = requestCopy(request) > 0
    if (this.#busy.refusesOffered(session, serial)) return proposal.refused?.(busyError(isCopy))
    if (this.#options.machine.isBusy) {
      this.#busy.refuse(session, serial)
      return proposal.refused?.(busyError(isCopy))
    }
    const doubt = this.#doubted.size === 0 ? undefined : this.#doubted.get(session)
    const refusal = isMutant('refusal_by_old_state') ? this.#options.machine.preflight(request) : undefined
    if (refusal !== undefined) return proposal.refused?.(refusalError(refusal))
    if (doubt !== undefined) doubt.requests.push(proposal)
    else if (this.#isBeyondDoubt(request)) this.#queue.push(proposal)
    else this.#doubt(session, proposal)
  }

  /** A copy may have been applied: the log decides. */
  #isBeyondDoubt(request: Uint8Array): boolean {
    if (requestCopy(request) > 0 && !isMutant('preflight_answers_retries')) return true
    return this.#options.machine.preflight(request) === undefined
  }

  /**
   * A "no" out of the state counts only after a round with everything appended so far applied: the state here may be behind what the
   * requester has been told, or asked just before (DESIGN 7.3). The refused pays for it, nobody else; what its session asks meanwhile
   * waits behind it, so that nothing overtakes.
   */
  #doubt(session: number, proposal: Proposal): void {
    this.preflights.doubted++
    const doubt = { session, requests: [proposal] }
    this.#doubted.set(session, doubt)
    this.#newDoubts.push(doubt)
  }

  /** Begins the rounds of what was doubted in this turn; call after everything else of the turn was appended. */
  askRounds(): void {
    if (this.#newDoubts.length === 0) return
    for (const doubt of this.#newDoubts.splice(0)) {
      this.#options.afterRound(
        () => this.#decide(doubt),
        () => this.#acquit(doubt),
      )
    }
  }

  #decide(doubt: Doubt): void {
    if (this.#doubted.get(doubt.session) !== doubt) return
    this.#doubted.delete(doubt.session)
    const [first, ...later] = doubt.requests
    const request = first!.payload
    const isCopy = requestCopy(request) > 0 && !isMutant('preflight_answers_retries')
    const refusal = isCopy ? undefined : this.#options.machine.preflight(request)
    if (refusal === undefined) this.#queue.push(first!)
    else {
      this.preflights.refused++
      first!.refused?.(refusalError(refusal))
    }
    for (const next of later) this.offer(next)
  }

  /** No round confirmed the doubt: if this node still leads, the log decides. */
  #acquit(doubt: Doubt): void {
    if (this.#doubted.get(doubt.session) !== doubt) return
    this.#doubted.delete(doubt.session)
    for (const proposal of doubt.requests) this.#queue.push(proposal)
  }

  /** An entry that is no request: a session opening or a tick. */
  propose(proposal: Proposal): void {
    this.#queue.push(proposal)
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0
  }

  /** Makes entries of what waits, if the core takes them now. hot path: bench/cluster. */
  appendTo(core: RaftCore, leaderTimeMicros: () => number): EntryBatch | undefined {
    const nowMs = this.#options.clock.monotonicMs()
    this.groups.onCommitted(core.state.commit, nowMs)
    if (this.#queue.length === 0) return undefined
    const admission = core.admit(draftBytes(this.#queue), this.#options.machine.appliedSeq)
    if (!admission.isAdmitted) {
      if (admission.refusal === 'busy') this.#refuseAll()
      else this.groups.onHeld()
      return undefined
    }
    const proposals = this.#queue
    this.#queue = []
    const batch = encodeDrafts(proposals, admission.slot, leaderTimeMicros())
    core.step({ type: 'append', batch })
    this.groups.onAppended(proposals.length, batch.lastSeq, nowMs)
    for (let i = 0; i < proposals.length; i++) proposals[i]!.appended?.(batch.firstSeq + i)
    return batch
  }

  #refuseAll(): void {
    const refused = this.#queue
    this.#queue = []
    for (const proposal of refused) {
      const { kind, payload } = proposal
      const isRequest = kind === EntryKind.transaction
      if (isRequest) this.#busy.refuse(requestSession(payload), requestSerial(payload))
      proposal.refused?.(busyError(isRequest && requestCopy(payload) > 0))
    }
    const doubts = this.#newDoubts
    this.#newDoubts = doubts.filter(({ session }) => !this.#busy.has(session))
    for (const { session, requests } of doubts) {
      if (!this.#busy.has(session)) continue
      this.#doubted.delete(session)
      for (const proposal of requests) proposal.refused?.(busyError(requestCopy(proposal.payload) > 0))
    }
  }

  /** To be called now and then: sessions that never came back are waited for no longer. */
  expire(): void {
    this.#busy.expire()
  }

  /** No leader any more: requests of this node stay in its table, forwarded ones are offered again by their nodes. */
  clear(): void {
    const dropped = this.#queue
    this.#queue = []
    this.groups.clear()
    this.#busy.clear()
    this.#doubted.clear()
    this.#newDoubts = []
    const error = new QuorateError('not_leader', 'this node does not lead any more', { retryable: true })
    for (const proposal of dropped) if (proposal.kind !== EntryKind.transaction) proposal.refused?.(error)
  }
}

function busyError(isCopy: boolean): QuorateError {
  return new QuorateError('busy', 'the leader has too much to write', {
    retryable: true,
    backoffMs: 20,
    applied: isCopy ? 'unknown' : 'no',
  })
}

export function refusalError({ code, message, detail }: RequestRefusal): QuorateError {
  return new QuorateError(code, message, detail === undefined ? {} : { detail })
}
