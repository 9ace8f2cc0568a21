import { EntryKind, requestCopy, requestSerial, requestSession } from '../encoding/index.ts'
import { QuorateError } from '../model/index.ts'
import type { RequestRefusal, StateMachine } from '../model/index.ts'
import type { EntryBatch, RaftCore } from './core/index.ts'
import { draftBytes, encodeDrafts } from './entries.ts'
import type { Draft } from './entries.ts'

/** Hears of a proposal that did not become an entry; of those that did, apply tells. */
export type RefusalHandler = (error: QuorateError) => void

interface Proposal extends Draft {
  onRefused: RefusalHandler | undefined
  /** Told the entry's seq once it is appended. */
  onAppended: ((seq: number) => void) | undefined
}

export interface ProposerOptions {
  machine: StateMachine
  /** Asks for a leader-made read round; `then` runs once everything appended before it is applied. */
  afterRound: (then: () => void, failed: () => void) => void
}

/** The leader's side of a write: gathers what a turn proposes and makes one batch of entries of it (DESIGN 7.3, 7.4). */
export class Proposer {
  readonly #options: ProposerOptions
  #queue: Proposal[] = []
  /** Serials that were refused as busy: later ones of their session wait for them (links are FIFO). */
  readonly #busyFrom = new Map<number, number>()

  constructor(options: ProposerOptions) {
    this.#options = options
  }

  /** A request of this node or a forwarded one; the payload belongs to the proposer. */
  offer(request: Uint8Array, onRefused: RefusalHandler): void {
    const session = requestSession(request)
    const serial = requestSerial(request)
    const isCopy = requestCopy(request) > 0
    const busyFrom = this.#busyFrom.get(session)
    if (busyFrom !== undefined) {
      if (serial > busyFrom) return onRefused(busyError(isCopy))
      this.#busyFrom.delete(session)
    }
    if (this.#options.machine.isBusy) {
      this.#busyFrom.set(session, serial)
      return onRefused(busyError(isCopy))
    }
    const refusal = isCopy ? undefined : this.#options.machine.preflight(request)
    if (refusal !== undefined) return this.#refuseCertainly(request, onRefused)
    this.#queue.push({ kind: EntryKind.transaction, payload: request, onRefused, onAppended: undefined })
  }

  /**
   * A "no" out of the state counts only after a round with everything appended so far applied: the state here may be behind what the
   * requester has been told (DESIGN 7.3). The refused pays for it, nobody else.
   */
  #refuseCertainly(request: Uint8Array, onRefused: RefusalHandler): void {
    const decide = (): void => {
      const refusal = this.#options.machine.preflight(request)
      if (refusal !== undefined) onRefused(refusalError(refusal))
      else this.#queue.push({ kind: EntryKind.transaction, payload: request, onRefused, onAppended: undefined })
    }
    this.#options.afterRound(decide, () =>
      onRefused(
        new QuorateError('unavailable', 'the leader changed before the request was checked', { retryable: true }),
      ),
    )
  }

  /** An entry that is no request: a session opening or a tick. */
  propose(kind: EntryKind, payload: Uint8Array, onAppended?: (seq: number) => void, onRefused?: RefusalHandler): void {
    this.#queue.push({ kind, payload, onRefused, onAppended })
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0
  }

  /** Makes entries of what waits, if the core takes them now. hot path: bench/cluster. */
  appendTo(core: RaftCore, leaderTimeMicros: () => number): EntryBatch | undefined {
    if (this.#queue.length === 0) return undefined
    const admission = core.admit(draftBytes(this.#queue))
    if (!admission.isAdmitted) {
      if (admission.refusal === 'busy') this.#refuseAll()
      return undefined
    }
    const proposals = this.#queue
    this.#queue = []
    const batch = encodeDrafts(proposals, admission.slot, leaderTimeMicros())
    core.step({ type: 'append', batch })
    for (let i = 0; i < proposals.length; i++) proposals[i]!.onAppended?.(batch.firstSeq + i)
    return batch
  }

  #refuseAll(): void {
    const refused = this.#queue
    this.#queue = []
    for (const { kind, payload, onRefused } of refused) {
      if (kind === EntryKind.transaction) {
        const session = requestSession(payload)
        if (!this.#busyFrom.has(session)) this.#busyFrom.set(session, requestSerial(payload))
        onRefused?.(busyError(requestCopy(payload) > 0))
      } else onRefused?.(busyError(false))
    }
  }

  /** No leader any more: requests of this node stay in its table, forwarded ones are offered again by their nodes. */
  clear(): void {
    const dropped = this.#queue
    this.#queue = []
    this.#busyFrom.clear()
    const error = new QuorateError('not_leader', 'this node does not lead any more', { retryable: true })
    for (const { kind, onRefused } of dropped) if (kind !== EntryKind.transaction) onRefused?.(error)
  }
}

function busyError(isCopy: boolean): QuorateError {
  return new QuorateError('busy', 'the leader has too much to write', {
    retryable: true,
    backoffMs: 20,
    applied: isCopy ? 'unknown' : 'no',
  })
}

export function refusalError({ code, message }: RequestRefusal): QuorateError {
  return new QuorateError(code, message)
}
