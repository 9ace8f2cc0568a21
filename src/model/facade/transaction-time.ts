import type { TransactionOptions } from '../database.ts'
import { ConflictError, QuorateError } from '../errors.ts'
import { abortedError } from './arguments.ts'
import { Budget, timeoutError, type Connection } from './connection.ts'

/** Waits between attempts are uniform in [0, base * 2^n), at most the maximum (full jitter). */
const BACKOFF_BASE_MS = 2
const BACKOFF_MAX_MS = 250
/** Of a core that says nothing else. */
const CALL_TIMEOUT_MS = 30_000

export function conflictAfter(what: string, last: QuorateError): ConflictError {
  const { detail } = last
  return new ConflictError(`${what}: ${last.message}`, { cause: last, ...(detail !== undefined && { detail }) })
}

/** The time of one transaction with all its attempts: what is left, the signal that its body sees, the waits between attempts. */
export class TransactionTime {
  readonly budget: Budget
  readonly signal: AbortSignal
  readonly #connection: Connection
  readonly #controller = new AbortController()
  readonly #timer = new AbortController()
  readonly #callerSignal: AbortSignal | undefined
  readonly #stopped: Promise<never>
  /** No attempt begins after this moment of the core's clock. */
  readonly #retryUntilMs: number
  #lastConflict: QuorateError | undefined

  constructor(connection: Connection, options: TransactionOptions) {
    this.budget = new Budget(connection, options)
    this.signal = this.#controller.signal
    this.#connection = connection
    this.#callerSignal = options.signal
    const { time, callTimeoutMs = CALL_TIMEOUT_MS } = connection.core
    const isBounded = options.timeoutMs !== undefined || options.attempts !== undefined
    this.#retryUntilMs = isBounded ? Infinity : time.monotonicMs() + callTimeoutMs
    this.#stopped = new Promise<never>((_resolve, reject) => {
      this.signal.addEventListener('abort', () => reject(this.explain(this.signal.reason as QuorateError)), {
        once: true,
      })
    })
    // Nobody may be waiting at that moment.
    this.#stopped.catch(() => undefined)
    options.signal?.addEventListener('abort', this.#onCallerAbort, { once: true })
    if (options.timeoutMs !== undefined) this.#startTimer(options.timeoutMs)
  }

  #startTimer(timeoutMs: number): void {
    const { signal } = this.#timer
    const stop = (): void => {
      if (!signal.aborted) this.#controller.abort(timeoutError())
    }
    // A delay that was cut short is one that nobody needs any more.
    this.#connection.core.time.delay(timeoutMs, signal).then(stop, () => undefined)
  }

  readonly #onCallerAbort = (): void => {
    if (this.#callerSignal !== undefined) this.#controller.abort(abortedError(this.#callerSignal))
  }

  /** `work`, or the reason why the transaction has to stop, whichever comes first. */
  unlessStopped<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#stopped])
  }

  /** Time that runs out after a conflict is a conflict that could not be resolved. */
  explain(error: unknown): Error {
    const isTimeout = error instanceof QuorateError && error.code === 'timeout' && error.applied === 'no'
    if (!isTimeout || this.#lastConflict === undefined) return error as Error
    return conflictAfter('the time is used up', this.#lastConflict)
  }

  /** What is left for the commit. @throws QuorateError `timeout` */
  timeout(): { timeoutMs?: number } {
    const { remainingMs } = this.budget
    if (remainingMs === Infinity) return {}
    if (remainingMs <= 0) throw timeoutError()
    return { timeoutMs: remainingMs }
  }

  /** Waits before the attempt after `attempt`, which ended with `conflict`. */
  async backOff(attempt: number, conflict: QuorateError): Promise<void> {
    this.#lastConflict = conflict
    const { time } = this.#connection.core
    const ceilingMs = Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** Math.min(attempt, 16))
    const delayMs = Math.max(time.random() * ceilingMs, conflict.backoffMs ?? 0)
    const leftMs = Math.min(this.budget.remainingMs, this.#retryUntilMs - time.monotonicMs())
    if (delayMs >= leftMs) throw conflictAfter('the time is used up', conflict)
    await this.unlessStopped(time.delay(delayMs, this.signal))
  }

  /** Stops the clock; the body's signal stays as it is. */
  end(): void {
    this.#timer.abort()
    this.#callerSignal?.removeEventListener('abort', this.#onCallerAbort)
  }
}
