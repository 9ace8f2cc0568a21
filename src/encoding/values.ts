import { compareBytes } from './bytes.ts'

/**
 * A cell of a row, a literal or a result. 64-bit integers are numbers while they are safe (up to 2^53 - 1) and bigints beyond;
 * 256-bit ones are always bigints. JSON is kept as its text and not parsed.
 */
export type Value = null | boolean | number | bigint | string | Uint8Array

export const COLUMN_TYPES = [
  'text',
  'u8',
  'u64',
  'integer',
  'float',
  'boolean',
  'u256',
  'i256',
  'blob',
  'timestamp',
  'json',
] as const
/** `integer` and `timestamp` (us since 1970) are signed 64-bit integers; floats are finite, and -0 is kept as 0. */
export type ColumnType = (typeof COLUMN_TYPES)[number]

/** What `toColumnValue` gives for a value that the column cannot hold. */
export const MISMATCH: unique symbol = Symbol('mismatch')

interface IntegerRange {
  readonly min: bigint
  readonly max: bigint
}

const INTEGER_RANGES: { readonly [K in ColumnType]?: IntegerRange } = {
  u8: { min: 0n, max: 255n },
  u64: { min: 0n, max: (1n << 64n) - 1n },
  integer: { min: -(1n << 63n), max: (1n << 63n) - 1n },
  timestamp: { min: -(1n << 63n), max: (1n << 63n) - 1n },
  u256: { min: 0n, max: (1n << 256n) - 1n },
  i256: { min: -(1n << 255n), max: (1n << 255n) - 1n },
}

const LONE_SURROGATE = /\p{Surrogate}/u
const DIGITS = /^(0|-?[1-9]\d{0,77})$/

export function integerRange(type: ColumnType): IntegerRange | undefined {
  return INTEGER_RANGES[type]
}

/**
 * `value` in the form that columns of `type` hold, or `MISMATCH`. Strict: nothing is rounded, cut or parsed, but for integers, which may
 * be numbers, bigints or strings of digits (their JSON form). Null is Null in every type.
 */
export function toColumnValue(type: ColumnType, value: Value): Value | typeof MISMATCH {
  if (value === null) return null
  switch (type) {
    case 'text':
      return typeof value === 'string' && !LONE_SURROGATE.test(value) ? value : MISMATCH
    case 'json':
      return typeof value === 'string' && !LONE_SURROGATE.test(value) ? value : MISMATCH
    case 'boolean':
      return typeof value === 'boolean' ? value : MISMATCH
    case 'blob':
      return value instanceof Uint8Array ? value : MISMATCH
    case 'float':
      return typeof value === 'number' && Number.isFinite(value) ? (value === 0 ? 0 : value) : MISMATCH
    default:
      return toInteger(type, value)
  }
}

function toInteger(type: ColumnType, value: Value): Value | typeof MISMATCH {
  let integer: bigint
  if (typeof value === 'bigint') integer = value
  else if (typeof value === 'number' && Number.isSafeInteger(value)) integer = BigInt(value)
  else if (typeof value === 'string' && DIGITS.test(value)) integer = BigInt(value)
  else return MISMATCH
  const { min, max } = INTEGER_RANGES[type]!
  if (integer < min || integer > max) return MISMATCH
  return type === 'u256' || type === 'i256' ? integer : narrow(integer)
}

/** A 64-bit integer as values hold it: a number if it is safe. */
export function narrow(integer: bigint): number | bigint {
  return integer >= -9007199254740991n && integer <= 9007199254740991n ? Number(integer) : integer
}

/**
 * The one order of values of one column, in indexes, sorts and scans alike: that of their ordered keys (ordered-keys.ts). Null is last;
 * false before true; texts by code points; blobs by length, then bytes.
 */
export function compareColumnValues(a: Value, b: Value): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1
  if (typeof a === 'string') return compareText(a, b as string)
  if (a instanceof Uint8Array) {
    const other = b as Uint8Array
    return a.length === other.length ? compareBytes(a, other) : a.length - other.length
  }
  // A number and a bigint compare by value.
  return (a as number) < (b as number) ? -1 : (a as number) > (b as number) ? 1 : 0
}

/** By code points, as their UTF-8 sorts; UTF-16 units differ from that above the surrogates. */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x === y) continue
    return isSurrogate(x) === isSurrogate(y) ? x - y : isSurrogate(x) ? 1 : -1
  }
  return a.length - b.length
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff
}
