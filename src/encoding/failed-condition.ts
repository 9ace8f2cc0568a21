import { MalformedBytes, readText, utf8Bytes } from './bytes.ts'
import type { ByteReader, ByteWriter } from './bytes.ts'
import { COMPARISONS } from './comparison.ts'
import type { ComparisonOperator } from './comparison.ts'
import { Op } from './envelope-ops.ts'
import { readValue, writeValue } from './value-bytes.ts'
import { COLUMN_TYPES } from './values.ts'
import type { ColumnType, Value } from './values.ts'

/** Of a value, the bytes that an error carries; what is longer is cut there. */
export const CONDITION_VALUE_BYTES_MAX = 64

/**
 * The condition that refused a transaction, as `assertion_failed` carries it: one of its assertions, or the `expectedSeq` of a `kvMutate`.
 * Nothing in it is more than its caller could read when the transaction was applied. Bytes and texts are cut after their first 64 bytes,
 * a text behind its last whole character in them; `expectedBytes` and `actualBytes` then tell how many all of it has.
 */
export interface FailedCondition {
  /**
   * Where it stands in the transaction, down to the innermost one that decided: `assertions[0]`, `assertions[2].assertions[1].assertion`,
   * `mutations[3].assertions[0]` of a postflight check, `mutations[1]` of a `kvMutate`. Of an `any` the last one, of an `all` the first
   * that does not hold.
   */
  readonly path: string
  /** `all` and `any` only where they have no assertions. */
  readonly type: (typeof CONDITION_TYPES)[number]
  readonly op: ComparisonOperator
  /** It holds, and it (or what it is in) stands in a `not`. */
  readonly isNegated?: true
  /** A version (`keyVersion`, `rowVersion`, `kvMutate`; 0 = absent), whether it is there (`keyExists`, `rowExists`), a value, a number. */
  readonly expected: Value
  /** What was found in its place; absent = there is no such key, or no such row that the caller sees. Null is the null of a cell. */
  readonly actual?: Value
  readonly expectedBytes?: number
  readonly actualBytes?: number
  /** Of `rowCompare`: the type of the column. */
  readonly columnType?: ColumnType
}

export const CONDITION_TYPES = [
  'keyVersion',
  'keyExists',
  'keyEquals',
  'keyCompare',
  'rowVersion',
  'rowExists',
  'rowCompare',
  'count',
  'sum',
  'all',
  'any',
  'kvMutate',
] as const

/** The operation in envelopes by which a condition is named in bytes, in the order of `CONDITION_TYPES`. */
const OPS: readonly number[] = [
  Op.assertKeyVersion,
  Op.assertKeyExists,
  Op.assertKeyEquals,
  Op.assertKeyCompare,
  Op.assertRowVersion,
  Op.assertRowExists,
  Op.assertRowCompare,
  Op.assertCount,
  Op.assertSum,
  Op.assertAll,
  Op.assertAny,
  Op.kvMutate,
]

const IS_NEGATED = 1
const HAS_ACTUAL = 2
const EXPECTED_IS_CUT = 4
const ACTUAL_IS_CUT = 8
const HAS_COLUMN_TYPE = 16

/** A condition that did not hold, or held and must not; without the values' cut-off ends and, as yet, its path. */
export function failedCondition(
  type: FailedCondition['type'],
  op: ComparisonOperator,
  isNegated: boolean,
  expected: Value,
  actual: Value | undefined,
  columnType?: ColumnType,
): FailedCondition {
  const [wanted, wantedBytes] = cut(expected)
  const [found, foundBytes] = actual === undefined ? [] : cut(actual)
  return {
    path: '',
    type,
    op,
    ...(isNegated && { isNegated }),
    expected: wanted,
    ...(found !== undefined && { actual: found }),
    ...(wantedBytes !== undefined && { expectedBytes: wantedBytes }),
    ...(foundBytes !== undefined && { actualBytes: foundBytes }),
    ...(columnType !== undefined && { columnType }),
  }
}

/** The value as an error carries it, and the bytes of all of it if something is missing. */
function cut(value: Value): [Value, number?] {
  if (value instanceof Uint8Array) {
    return value.length > CONDITION_VALUE_BYTES_MAX
      ? [value.slice(0, CONDITION_VALUE_BYTES_MAX), value.length]
      : [value.slice()]
  }
  // A character of UTF-16 has at most three bytes in UTF-8.
  if (typeof value !== 'string' || value.length * 3 <= CONDITION_VALUE_BYTES_MAX) return [value]
  const bytes = utf8Bytes(value)
  if (bytes.length <= CONDITION_VALUE_BYTES_MAX) return [value]
  let end = CONDITION_VALUE_BYTES_MAX
  while ((bytes[end]! & 0xc0) === 0x80) end--
  return [readText(bytes, 0, end), bytes.length]
}

export function writeCondition(out: ByteWriter, condition: FailedCondition): void {
  const { path, type, op, isNegated, expected, actual, expectedBytes, actualBytes, columnType } = condition
  out.text16(path)
  out.u8(OPS[CONDITION_TYPES.indexOf(type)]!)
  out.u8(COMPARISONS.indexOf(op))
  out.u8(
    (isNegated === true ? IS_NEGATED : 0) |
      (actual === undefined ? 0 : HAS_ACTUAL) |
      (expectedBytes === undefined ? 0 : EXPECTED_IS_CUT) |
      (actualBytes === undefined ? 0 : ACTUAL_IS_CUT) |
      (columnType === undefined ? 0 : HAS_COLUMN_TYPE),
  )
  writeValue(out, expected)
  if (expectedBytes !== undefined) out.u32(expectedBytes)
  if (actual !== undefined) writeValue(out, actual)
  if (actualBytes !== undefined) out.u32(actualBytes)
  if (columnType !== undefined) out.u8(COLUMN_TYPES.indexOf(columnType))
}

/** @throws MalformedBytes */
export function readCondition(reader: ByteReader): FailedCondition {
  const path = reader.text16()
  const type = CONDITION_TYPES[OPS.indexOf(reader.u8())]
  const op = COMPARISONS[reader.u8()]
  const flags = reader.u8()
  const isCutOfNothing = (flags & ACTUAL_IS_CUT) !== 0 && (flags & HAS_ACTUAL) === 0
  if (type === undefined || op === undefined || flags > 31 || isCutOfNothing) throw new MalformedBytes('condition')
  const expected = readValue(reader)
  const expectedBytes = (flags & EXPECTED_IS_CUT) !== 0 && { expectedBytes: reader.u32() }
  const actual = (flags & HAS_ACTUAL) !== 0 && { actual: readValue(reader) }
  const actualBytes = (flags & ACTUAL_IS_CUT) !== 0 && { actualBytes: reader.u32() }
  return {
    path,
    type,
    op,
    ...((flags & IS_NEGATED) !== 0 && { isNegated: true as const }),
    expected,
    ...actual,
    ...expectedBytes,
    ...actualBytes,
    ...((flags & HAS_COLUMN_TYPE) !== 0 && { columnType: readColumnType(reader) }),
  }
}

function readColumnType(reader: ByteReader): ColumnType {
  const columnType = COLUMN_TYPES[reader.u8()]
  if (columnType === undefined) throw new MalformedBytes('column type of a condition')
  return columnType
}
