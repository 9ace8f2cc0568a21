import { raiseCopy, requestCopy, requestNotAfterMicros, requestSerial, requestSession } from '../encoding/index.ts'
import { cancelled, DurationHistogram, invariant, NumberMap, QuorateError } from '../model/index.ts'
import type { EntryOutcome, OutcomeHandler } from '../model/index.ts'
import { BusySessions } from './busy-sessions.ts'
import { isMutant } from './mutants.ts'
import { DEFAULT_REQUEST_LIMITS } from './options.ts'
import { WaitingRequest } from './waiting-request.ts'

/** When the entries of a batch began to be applied, and when that was done; on the monotonic clock. */
export interface ApplyTiming {
  readonly fromMs: number
  readonly toMs: number
}

/**
 * Every request that this node took and has not answered, by session and serial, in the order of submission. It survives changes of
 * leader: what was placed with an old one is placed again, in order, as a copy.
 */
export class RequestTable {
  /** By session and serial. A session that waits for nothing stays until the next sweep: most come again at once. */
  readonly #sessions = new NumberMap<NumberMap<WaitingRequest>>()
  #unplaced: WaitingRequest[] = []
  readonly #forwarded = new NumberMap<WaitingRequest>()
  #lastNumber = 0
  readonly #bytesMax: number
  readonly #busy: BusySessions
  #bytes = 0
  #count = 0
  readonly #nowMs: () => number
  /** From the arrival of a request to the outcome. */
  readonly latency: DurationHistogram = new DurationHistogram()
  /** Told of each that took at least `slowMs`, once it is answered. */
  onSlow: ((waiting: WaitingRequest, timing: ApplyTiming, outcome: Uint8Array) => void) | undefined
  slowMs: () => number = () => Number.POSITIVE_INFINITY

  /** Above `bytesMax` of waiting requests new ones are refused; `nowMs` is monotonic. */
  constructor(nowMs: () => number, bytesMax: number = DEFAULT_REQUEST_LIMITS.waitingBytes) {
    this.#nowMs = nowMs
    this.#busy = new BusySessions(nowMs)
    this.#bytesMax = bytesMax
  }

  get count(): number {
    return this.#count
  }

  /** Takes a request in; it must have a session, or nothing would tell it from others. A copy of one that waits already joins it. @returns undefined if it is refused with `busy` */
  add(request: Uint8Array, onOutcome: OutcomeHandler): WaitingRequest | undefined {
    const session = requestSession(request)
    const serial = requestSerial(request)
    invariant(session !== 0, 'a request without a session waits')
    let serials = this.#sessions.get(session)
    const present = serials?.get(serial)
    if (present !== undefined) {
      present.join(onOutcome)
      // Whoever sends copies may have had one applied elsewhere: from now on no answer may deny that.
      if (requestCopy(request) > requestCopy(present.request)) present.request[1] = requestCopy(request)
      return present
    }
    if (this.#busy.refusesOffered(session, serial) && !isMutant('busy_overtaken')) return undefined
    // One always fits: what is larger than the bound would wait for ever.
    if (this.#count > 0 && this.#bytes + request.length > this.#bytesMax) {
      this.#busy.refuse(session, serial)
      return undefined
    }
    const waiting = new WaitingRequest(this, request, session, serial, ++this.#lastNumber, this.#nowMs(), onOutcome)
    if (serials === undefined) {
      serials = new NumberMap()
      this.#sessions.set(session, serials)
    }
    serials.set(serial, waiting)
    this.#bytes += request.length
    this.#count++
    this.#unplaced.push(waiting)
    return waiting
  }

  /**
   * The requests to place now, in order, up to about `bytesMax`; they count as placed in `term`. What was answered before it could be
   * placed again is not among them: as a first sending that comes late it could be refused, in the name of a copy that waits by then.
   */
  takeUnplaced(term: number, bytesMax: number = Number.POSITIVE_INFINITY): WaitingRequest[] {
    if (this.#unplaced.some(({ isAnswered }) => isAnswered)) {
      this.#unplaced = this.#unplaced.filter(({ isAnswered }) => !isAnswered)
    }
    const unplaced = this.#unplaced
    const nowMs = unplaced.length === 0 ? 0 : this.#nowMs()
    let count = 0
    for (let bytes = 0; count < unplaced.length && bytes < bytesMax; count++) {
      const waiting = unplaced[count]!
      waiting.placedTerm = term
      waiting.placedAtMs = nowMs
      bytes += waiting.request.length
    }
    this.#unplaced = count === unplaced.length ? [] : unplaced.slice(count)
    return count === unplaced.length ? unplaced : unplaced.slice(0, count)
  }

  /** What was taken last came to no link: it is taken first the next time, unchanged, for nobody has seen it. */
  putBack(taken: readonly WaitingRequest[]): void {
    const waiting = taken.filter(({ isAnswered }) => !isAnswered)
    for (const each of waiting) each.placedTerm = 0
    this.#unplaced = [...waiting, ...this.#unplaced]
  }

  /** Names a request between this node and the leader; an earlier name is void. */
  nameForwarded(waiting: WaitingRequest, forwardId: number): void {
    if (waiting.forwardId !== 0) this.#forwarded.delete(waiting.forwardId)
    waiting.forwardId = forwardId
    this.#forwarded.set(forwardId, waiting)
  }

  byForwardId(forwardId: number): WaitingRequest | undefined {
    return this.#forwarded.get(forwardId)
  }

  get hasUnplaced(): boolean {
    return this.#unplaced.length > 0
  }

  /** What was placed came to nothing: it is offered once more. */
  placeAgain(waiting: WaitingRequest): void {
    if (waiting.placedTerm === 0) return
    waiting.placedTerm = 0
    this.#unplaced.push(waiting)
  }

  /** What was placed may be lost: a new term, another leader, a broken link. All are offered again, as copies, in order. */
  replaceAll(): void {
    this.#unplaced = []
    for (const waiting of this.all()) {
      if (waiting.placedTerm !== 0 && !isMutant('copies_sent_as_first')) raiseCopy(waiting.request)
      waiting.placedTerm = 0
      this.#unplaced.push(waiting)
    }
  }

  /** Every waiting request, in the order of submission. A copy. */
  all(): WaitingRequest[] {
    const all = this.#sessions.values().flatMap(serials => serials.values())
    return all.sort((one, other) => one.number - other.number)
  }

  /** Its entry was applied: whoever waits here is told. Of most entries most nodes have nobody. hot path: bench/cluster. */
  applied(entry: EntryOutcome, timing: ApplyTiming): void {
    if (this.#count === 0) return
    const waiting = this.#remove(entry.session, entry.serial)
    if (waiting === undefined) return
    const { outcome } = entry
    waiting.tell(outcome, undefined)
    const totalMs = timing.toMs - waiting.sinceMs
    this.latency.record(totalMs)
    if (totalMs >= this.slowMs()) this.onSlow?.(waiting, timing, outcome)
  }

  /** The outcome is known from elsewhere. */
  answer(session: number, serial: number, outcome: Uint8Array): void {
    this.#remove(session, serial)?.tell(outcome, undefined)
  }

  /**
   * Takes back a request that nobody has been given yet: it is certainly not applied. Undefined = no such request waits.
   * @throws QuorateError `not_cancellable` if a log may have it
   */
  cancel(session: number, serial: number): true | undefined {
    const waiting = this.#sessions.get(session)?.get(serial)
    if (waiting === undefined) return undefined
    if (waiting.placedTerm !== 0 || requestCopy(waiting.request) !== 0) {
      throw new QuorateError('not_cancellable', 'the commit may be in a log already: it will be answered')
    }
    this.#unplaced = this.#unplaced.filter(other => other !== waiting)
    this.fail(session, serial, cancelled())
    return true
  }

  fail(session: number, serial: number, error: QuorateError): void {
    const waiting = this.#remove(session, serial)
    if (waiting === undefined) return
    const told = error.applied === 'no' && requestCopy(waiting.request) > 0 ? asUnknown(error, waiting) : error
    waiting.tell(undefined, told)
  }

  #remove(session: number, serial: number): WaitingRequest | undefined {
    const serials = this.#sessions.get(session)
    const waiting = serials?.get(serial)
    if (serials === undefined || waiting === undefined) return undefined
    serials.delete(serial)
    waiting.isAnswered = true
    if (waiting.forwardId !== 0) this.#forwarded.delete(waiting.forwardId)
    this.#bytes -= waiting.request.length
    this.#count--
    return waiting
  }

  /**
   * Gives up on requests whose time is over: at `leaderTimeMicros` they cannot be applied any more, unless they were already, so their
   * callers hear `timeout` with what is known of them.
   */
  expire(leaderTimeMicros: number): void {
    this.#busy.expire()
    for (const [session, serials] of this.#sessions.entries()) if (serials.size === 0) this.#sessions.delete(session)
    for (const waiting of this.all()) {
      const notAfter = requestNotAfterMicros(waiting.request)
      if (notAfter === 0 || notAfter > leaderTimeMicros) continue
      const { session, serial } = waiting
      const isUnsent = waiting.placedTerm === 0 && requestCopy(waiting.request) === 0
      this.fail(session, serial, timedOut(isUnsent ? 'no' : 'unknown', session, serial))
    }
    this.#unplaced = this.#unplaced.filter(({ isAnswered }) => !isAnswered)
  }

  /** Tells everybody who waits: certainly not applied, or in doubt, as far as the request had come. */
  failAll({ code, message, leader }: QuorateError): void {
    for (const { session, serial, placedTerm } of this.all()) {
      const isUnsent = placedTerm === 0
      const error = new QuorateError(code, message, {
        retryable: true,
        applied: isUnsent ? 'no' : 'unknown',
        ...(!isUnsent && { reference: { session, serial } }),
        ...(leader !== undefined && { leader }),
      })
      this.fail(session, serial, error)
    }
    this.#unplaced = []
  }
}

function timedOut(applied: 'no' | 'unknown', session: number, serial: number): QuorateError {
  return new QuorateError('timeout', 'the request was not answered in its time', {
    retryable: true,
    applied,
    ...(applied === 'unknown' && { reference: { session, serial } }),
  })
}

/** A copy was refused: what became of the others is not known here. */
function asUnknown(error: QuorateError, { session, serial }: WaitingRequest): QuorateError {
  const { code, message, leader, backoffMs } = error
  return new QuorateError(code, message, {
    retryable: true,
    applied: 'unknown',
    reference: { session, serial },
    cause: error,
    ...(leader !== undefined && { leader }),
    ...(backoffMs !== undefined && { backoffMs }),
  })
}
