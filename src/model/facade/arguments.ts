import { utf8Bytes } from '../../encoding/index.ts'
import { parseToken, type Consistency, type Finality, type RequestOptions, type WriteClass } from '../consistency.ts'
import { QuorateError } from '../errors.ts'

/** Checks of what callers pass in, before anything is sent. All throw QuorateError, `invalid_argument` unless said otherwise. */

const KEY_BYTES_MAX_FORMAT = 0xffff
const IDEMPOTENCY_KEY_BYTES_MAX = 128
const CALLER_BYTES_MAX = 255
/** A hundred years: leader time plus any accepted lifetime stays a safe integer of microseconds. */
const TTL_MS_MAX = 3_155_760_000_000
/** `volatile`, which is not logged, is not among them: whatever is answered is in the log. */
const WRITE_CLASSES: readonly string[] = ['standard', 'economic'] satisfies WriteClass[]
const FINALITIES: readonly string[] = ['visible', 'durable'] satisfies Finality[]
const LEVELS: readonly unknown[] = ['linearizable', 'lease', 'checkpoint', 'local']

export function invalid(message: string): QuorateError {
  return new QuorateError('invalid_argument', message)
}

/** A promise that fails as the throw of `error` would. */
export function rejected(error: unknown): Promise<never> {
  return Promise.reject(
    error instanceof Error ? error : new QuorateError('internal', 'no error was thrown', { cause: error }),
  )
}

/** @throws QuorateError `key_too_large` for what no cluster can be set to accept; a cluster's own limit is its setting */
export function requireKeyBytes(key: Uint8Array): Uint8Array {
  if (!(key instanceof Uint8Array)) throw invalid('the key codec gave no bytes')
  if (key.length > KEY_BYTES_MAX_FORMAT) throw new QuorateError('key_too_large', `a key of ${key.length} bytes`)
  return key
}

export function requireValueBytes(value: Uint8Array): Uint8Array {
  if (!(value instanceof Uint8Array)) throw invalid('the value codec gave no bytes')
  return value
}

export function requireTtl(ttlMs: number): number {
  if (!Number.isSafeInteger(ttlMs) || ttlMs < 1 || ttlMs > TTL_MS_MAX) {
    throw invalid(`ttlMs is a whole number from 1 to ${TTL_MS_MAX}, not ${ttlMs}`)
  }
  return ttlMs
}

export function requireSeq(what: string, seq: number): number {
  if (!Number.isSafeInteger(seq) || seq < 0) throw invalid(`${what} is a whole number from 0, not ${String(seq)}`)
  return seq
}

/** An amount for increment or decrement, from 0 to the largest integer of `width` bits. */
export function requireAmount(by: bigint | number, width: 64 | 256): bigint {
  if (width !== 64 && width !== 256) throw invalid(`width is 64 or 256, not ${String(width)}`)
  const isWhole = typeof by === 'bigint' || Number.isSafeInteger(by)
  const amount = isWhole ? BigInt(by) : -1n
  if (amount < 0n || amount >= 1n << BigInt(width)) throw invalid(`${String(by)} is no unsigned ${width}-bit integer`)
  return amount
}

/** A signed 64-bit integer. */
export function requireSigned(value: bigint | number): bigint {
  const isWhole = typeof value === 'bigint' || Number.isSafeInteger(value)
  const amount = isWhole ? BigInt(value) : undefined
  if (amount === undefined || BigInt.asIntN(64, amount) !== amount) {
    throw invalid(`${String(value)} is no signed 64-bit integer`)
  }
  return amount
}

export function requireOneOf(what: string, value: string | undefined, choices: readonly string[]): void {
  if (value !== undefined && !choices.includes(value)) throw invalid(`${what} is one of ${choices.join(', ')}`)
}

export function requireCaller(caller: string): string {
  const length = typeof caller === 'string' ? utf8Bytes(caller).length : 0
  if (length < 1 || length > CALLER_BYTES_MAX) {
    throw new QuorateError('invalid_name', `a caller has 1 to ${CALLER_BYTES_MAX} bytes of UTF-8`)
  }
  return caller
}

export function requireIdempotencyKey(key: string): string {
  const length = typeof key === 'string' ? utf8Bytes(key).length : 0
  if (length < 1 || length > IDEMPOTENCY_KEY_BYTES_MAX) {
    throw invalid(`an idempotency key has 1 to ${IDEMPOTENCY_KEY_BYTES_MAX} bytes of UTF-8`)
  }
  return key
}

/** @throws QuorateError `aborted` if the signal is aborted already */
export function requireOptions(options: RequestOptions): void {
  const { signal, timeoutMs, consistency, idempotencyKey, writeClass, finality } = options
  if (timeoutMs !== undefined && !(typeof timeoutMs === 'number' && timeoutMs > 0)) {
    throw invalid(`timeoutMs is a positive number, not ${String(timeoutMs)}`)
  }
  if (consistency !== undefined) requireConsistency(consistency)
  if (idempotencyKey !== undefined) requireIdempotencyKey(idempotencyKey)
  requireOneOf('writeClass', writeClass, WRITE_CLASSES)
  requireOneOf('finality', finality, FINALITIES)
  if (signal?.aborted === true) throw abortedError(signal)
}

export function abortedError(signal: AbortSignal): QuorateError {
  return new QuorateError('aborted', 'aborted by the caller', { cause: signal.reason })
}

function requireConsistency(consistency: Consistency): void {
  if (LEVELS.includes(consistency)) return
  if (typeof consistency === 'object' && consistency !== null) {
    if ('minSeq' in consistency) return void parseToken(consistency.minSeq)
    if ('atSeq' in consistency) return void parseToken(consistency.atSeq)
    if ('maxStaleMs' in consistency && consistency.maxStaleMs >= 0) return
  }
  throw invalid(`no consistency: ${JSON.stringify(consistency)}`)
}
