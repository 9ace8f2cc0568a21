import { EntryKind } from '../encoding/index.ts'
import type { OutcomeHandler, QuorateError } from '../model/index.ts'
import type { Proposal } from './proposer.ts'

/** Where a request waits: who gives it up there, and tells its callers. */
export interface WaitingPlace {
  fail(session: number, serial: number, error: QuorateError): void
}

/**
 * A request that this node answers for: kept until its outcome is known here (DESIGN 7.2). It is what the leader's log is offered, too.
 * hot path (bench/cluster): one object a write, without a list or a closure beside it.
 */
export class WaitingRequest implements Proposal {
  readonly request: Uint8Array
  readonly session: number
  readonly serial: number
  /** Counts submissions. */
  readonly number: number
  /** Where it lies now: nowhere (0), or the term in which it was proposed or forwarded. */
  placedTerm = 0
  /** Names it between this node and the leader it was forwarded to. */
  forwardId = 0
  /** Its callers have been told. */
  isAnswered = false
  /** When it came, and when it was placed last; on the monotonic clock. */
  readonly sinceMs: number
  placedAtMs = 0
  readonly #place: WaitingPlace
  readonly #handler: OutcomeHandler
  /** Of copies that have joined it. */
  #others: OutcomeHandler[] | undefined

  constructor(
    place: WaitingPlace,
    request: Uint8Array,
    session: number,
    serial: number,
    number: number,
    sinceMs: number,
    handler: OutcomeHandler,
  ) {
    this.#place = place
    this.request = request
    this.session = session
    this.serial = serial
    this.number = number
    this.sinceMs = sinceMs
    this.#handler = handler
  }

  get kind(): EntryKind {
    return EntryKind.transaction
  }

  get payload(): Uint8Array {
    return this.request
  }

  /** A copy of it came: its maker waits, too. */
  join(handler: OutcomeHandler): void {
    this.#others ??= []
    this.#others.push(handler)
  }

  /** Tells everybody who waits for it. */
  tell(outcome: Uint8Array | undefined, error: QuorateError | undefined): void {
    this.#handler(outcome, error)
    if (this.#others !== undefined) for (const handler of this.#others) handler(outcome, error)
  }

  refused(error: QuorateError): void {
    this.#place.fail(this.session, this.serial, error)
  }
}
