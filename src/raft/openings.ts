import { decodeOutcome, encodeSessionOpening, EntryKind } from '../encoding/index.ts'
import type { SessionOpening } from '../encoding/index.ts'
import { QuorateError, refusalError } from '../model/index.ts'
import type { EntryOutcome, OutcomeHandler } from '../model/index.ts'
import type { Timers } from '../platform/index.ts'
import type { RaftCore } from './core/index.ts'
import { NO_NODE } from './core/index.ts'
import type { Forwarding } from './forwarding.ts'
import type { Proposer } from './proposer.ts'

export interface OpeningsOptions {
  core: RaftCore
  proposer: Proposer
  forwarding: () => Forwarding
  timers: Timers
}

/** Session openings on their way: proposed here, or sent to the leader. An opening in doubt is tried again with the same nonce. */
export class Openings {
  readonly #options: OpeningsOptions
  /** Those that became entries here, by seq. */
  readonly #bySeq = new Map<number, OutcomeHandler>()

  constructor(options: OpeningsOptions) {
    this.#options = options
  }

  /**
   * Opens a session wherever the leader is. Answers its id. @throws QuorateError `unavailable`, `expired`, `session_limit`, `session_ended` if that of
   * the nonce is over or another caller's
   */
  open(opening: SessionOpening, timeoutMs: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const late = new QuorateError('unavailable', 'no leader opened the session in time', {
        retryable: true,
        applied: 'unknown',
      })
      const timer = this.#options.timers.after(timeoutMs, () => reject(late))
      this.#send(opening, (bytes, error) => {
        timer.cancel()
        if (bytes === undefined) return reject(error!)
        const outcome = decodeOutcome(bytes)
        if (outcome.status === 'committed') resolve(outcome.seq)
        else reject(refusalError(outcome))
      })
    })
  }

  #send(opening: SessionOpening, handler: OutcomeHandler): void {
    const { core, forwarding } = this.#options
    const { role, leader, term } = core.state
    if (role === 'leader') this.propose(opening, handler)
    else if (leader !== NO_NODE) forwarding().openSession(leader, term, opening, handler)
    else handler(undefined, new QuorateError('unavailable', 'no leader is known here', { retryable: true }))
  }

  /** At the leader. */
  propose(opening: SessionOpening, handler: OutcomeHandler): void {
    const { core, proposer } = this.#options
    if (core.state.role !== 'leader') return handler(undefined, leaderLost())
    proposer.propose({
      kind: EntryKind.openSession,
      payload: encodeSessionOpening(opening),
      appended: seq => this.#bySeq.set(seq, handler),
      refused: error => handler(undefined, error),
    })
  }

  /** An entry was applied. @returns false if it is no opening that somebody waits for here */
  applied(entry: EntryOutcome): boolean {
    const handler = this.#bySeq.size > 0 ? this.#bySeq.get(entry.seq) : undefined
    if (handler === undefined) return false
    this.#bySeq.delete(entry.seq)
    handler(entry.outcome, undefined)
    return true
  }

  failAll(error: QuorateError = leaderLost()): void {
    const handlers = [...this.#bySeq.values()]
    this.#bySeq.clear()
    for (const handler of handlers) handler(undefined, error)
  }
}

function leaderLost(): QuorateError {
  return new QuorateError('not_leader', 'the leader changed', { retryable: true, applied: 'unknown' })
}
