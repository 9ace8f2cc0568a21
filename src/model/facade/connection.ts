import { encodeEnvelope, MalformedData, type TransactionEnvelope } from '../../encoding/index.ts'
import type { RequestOptions } from '../consistency.ts'
import type { CommitResult, CoreOptions, DatabaseCore } from '../database.ts'
import { QuorateError } from '../errors.ts'
import type { LockTable } from '../locks/lock-table.ts'
import { invalid, requireIdempotencyKey, requireOptions } from './arguments.ts'
import { commitResult } from './outcome-result.ts'
import { withSignal } from './shared-signal.ts'

/** A core and the caller on whose behalf it is used. */
export interface Connection {
  readonly core: DatabaseCore
  readonly caller: string | undefined
  /** In-process locks: of all who use the core. */
  readonly locks: LockTable
  /** What a call without options passes on; shared, never changed. */
  readonly plainOptions: CoreOptions
}

export function connectAs(core: DatabaseCore, caller: string | undefined, locks: LockTable): Connection {
  return { core, caller, locks, plainOptions: Object.freeze(caller === undefined ? {} : { caller }) }
}

/** The part of a caller's options that the core acts on. @throws QuorateError `invalid_argument`, `aborted` */
export function coreOptions(connection: Connection, options: RequestOptions | undefined): CoreOptions {
  if (options === undefined) return connection.plainOptions
  requireOptions(options)
  const { signal, timeoutMs, consistency, writeClass, finality } = options
  const { caller } = connection
  return {
    ...(caller !== undefined && { caller }),
    ...withSignal(signal),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(consistency !== undefined && { consistency }),
    ...(writeClass !== undefined && { writeClass }),
    ...(finality !== undefined && { finality }),
  }
}

/** What `check` gives for data from a caller. @throws QuorateError `invalid_argument` naming the wrong field */
export function checked<T>(check: (value: unknown) => T, value: unknown): T {
  try {
    return check(value)
  } catch (cause) {
    if (!(cause instanceof MalformedData)) throw cause
    throw new QuorateError('invalid_argument', cause.message, { cause })
  }
}

/** Encodes what was checked already; what the format cannot hold is too large. */
export function encodeChecked(envelope: TransactionEnvelope): Uint8Array {
  try {
    return encodeEnvelope(envelope)
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new QuorateError('transaction_too_large', cause.message, { cause })
  }
}

/** Submits `envelope` under the idempotency key of the envelope or the options. */
export function submit(
  connection: Connection,
  envelope: TransactionEnvelope,
  options: RequestOptions | undefined,
): Promise<CommitResult> {
  const passed = coreOptions(connection, options)
  const key = options?.idempotencyKey
  if (key !== undefined && envelope.idempotencyKey !== undefined && envelope.idempotencyKey !== key) {
    throw invalid('two different idempotency keys')
  }
  const keyed = key === undefined ? envelope : { ...envelope, idempotencyKey: requireIdempotencyKey(key) }
  return connection.core.submit(encodeChecked(keyed), passed).then(commitResult)
}

/** Gives what is left of a call's time, for its next request. */
export class Budget {
  readonly #connection: Connection
  readonly #options: RequestOptions
  readonly #deadlineMs: number

  constructor(connection: Connection, options: RequestOptions = {}) {
    requireOptions(options)
    this.#connection = connection
    this.#options = options
    this.#deadlineMs = options.timeoutMs === undefined ? Infinity : this.#nowMs() + options.timeoutMs
  }

  #nowMs(): number {
    return this.#connection.core.time.monotonicMs()
  }

  get remainingMs(): number {
    return this.#deadlineMs === Infinity ? Infinity : this.#deadlineMs - this.#nowMs()
  }

  /** Options for the next request. @throws QuorateError `timeout` when no time is left, `aborted` */
  next(): CoreOptions {
    return coreOptions(this.#connection, this.rest())
  }

  /** The call's options with what is left of its time. @throws QuorateError `timeout` when no time is left */
  rest(): RequestOptions {
    const { remainingMs } = this
    if (remainingMs === Infinity) return this.#options
    if (remainingMs <= 0) throw timeoutError()
    return { ...this.#options, timeoutMs: remainingMs }
  }
}

export function timeoutError(): QuorateError {
  return new QuorateError('timeout', 'the time given is used up', { retryable: true })
}
