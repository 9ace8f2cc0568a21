import { ByteReader, MalformedBytes, readU16, utf8Bytes } from './bytes.ts'
import type { ByteWriter } from './bytes.ts'
import { COMPARISONS } from './comparison.ts'
import type { ComparisonOperator } from './comparison.ts'
import { EXPR_DEPTH_MAX, IN_VALUES_MAX, LIKE_PATTERN_BYTES_MAX } from './expression.ts'
import type { Expr, Operand, ScalarExpr } from './expression.ts'
import { readTagged, readValue, skipValue, writeValue } from './value-bytes.ts'

/** Conditions and computed values as bytes (docs/formats/expression.md). Columns are text16: `alias.column` may be longer than a name. */
const ExprCode = {
  /** 0-5: the comparisons, in the order of COMPARISONS. */
  in: 6,
  between: 7,
  isNull: 8,
  isNotNull: 9,
  like: 10,
  and: 11,
  or: 12,
  not: 13,
} as const

/** Kinds of operands that are no values; beyond the tags of values. */
const OPERAND_COLUMN = 64
const OPERAND_CALLER = 65

const ScalarCode = { column: 0, value: 1, add: 2, subtract: 3, multiply: 4, divide: 5 } as const
const ARITHMETIC = ['add', 'subtract', 'multiply', 'divide'] as const

/** RangeError for what exceeds the limits of conditions. */
export function writeExpr(out: ByteWriter, expr: Expr, depth: number = 1): void {
  if (depth > EXPR_DEPTH_MAX) throw new RangeError(`a condition has at most ${EXPR_DEPTH_MAX} levels`)
  switch (expr.op) {
    case 'in':
      out.u8(ExprCode.in)
      out.text16(expr.column)
      writeCount(out, expr.values.length)
      for (const value of expr.values) writeOperand(out, value)
      return
    case 'between':
      out.u8(ExprCode.between)
      out.text16(expr.column)
      writeOperand(out, expr.low)
      return writeOperand(out, expr.high)
    case 'isNull':
    case 'isNotNull':
      out.u8(ExprCode[expr.op])
      return out.text16(expr.column)
    case 'like': {
      out.u8(ExprCode.like)
      out.text16(expr.column)
      const pattern = utf8Bytes(expr.pattern)
      if (pattern.length > LIKE_PATTERN_BYTES_MAX)
        throw new RangeError(`a pattern has at most ${LIKE_PATTERN_BYTES_MAX} bytes`)
      return out.bytes16(pattern)
    }
    case 'and':
    case 'or':
      out.u8(ExprCode[expr.op])
      writeCount(out, expr.args.length)
      for (const arg of expr.args) writeExpr(out, arg, depth + 1)
      return
    case 'not':
      out.u8(ExprCode.not)
      return writeExpr(out, expr.arg, depth + 1)
    default:
      return writeComparison(out, expr)
  }
}

function writeComparison(out: ByteWriter, expr: Extract<Expr, { value: Operand }>): void {
  const code = COMPARISONS.indexOf(expr.op)
  if (code < 0) throw new RangeError(`no comparison: ${expr.op}`)
  out.u8(code)
  out.text16(expr.column)
  writeOperand(out, expr.value)
}

function writeCount(out: ByteWriter, count: number): void {
  if (count > IN_VALUES_MAX) throw new RangeError(`a list in a condition has at most ${IN_VALUES_MAX} items`)
  out.u16(count)
}

function writeOperand(out: ByteWriter, operand: Operand): void {
  if (typeof operand !== 'object' || operand === null || operand instanceof Uint8Array) return writeValue(out, operand)
  if ('caller' in operand) return out.u8(OPERAND_CALLER)
  out.u8(OPERAND_COLUMN)
  out.text16(operand.column)
}

/** @throws MalformedBytes */
export function readExpr(reader: ByteReader, depth: number = 1): Expr {
  if (depth > EXPR_DEPTH_MAX) throw new MalformedBytes('a condition of too many levels')
  const code = reader.u8()
  if (code < COMPARISONS.length) return readComparison(reader, COMPARISONS[code]!)
  switch (code) {
    case ExprCode.in:
      return { op: 'in', column: reader.text16(), values: readMany(reader, readOperand) }
    case ExprCode.between:
      return { op: 'between', column: reader.text16(), low: readOperand(reader), high: readOperand(reader) }
    case ExprCode.isNull:
    case ExprCode.isNotNull:
      return { op: code === ExprCode.isNull ? 'isNull' : 'isNotNull', column: reader.text16() }
    case ExprCode.like: {
      const column = reader.text16()
      if (reader.remaining >= 2 && readU16(reader.bytes, reader.at) > LIKE_PATTERN_BYTES_MAX) throw tooLong()
      return { op: 'like', column, pattern: reader.text16() }
    }
    case ExprCode.and:
    case ExprCode.or:
      return { op: code === ExprCode.and ? 'and' : 'or', args: readMany(reader, r => readExpr(r, depth + 1)) }
    case ExprCode.not:
      return { op: 'not', arg: readExpr(reader, depth + 1) }
    default:
      throw new MalformedBytes(`condition ${code}`)
  }
}

function readComparison(reader: ByteReader, op: ComparisonOperator): Expr {
  return { op, column: reader.text16(), value: readOperand(reader) }
}

function readOperand(reader: ByteReader): Operand {
  const tag = reader.u8()
  if (tag === OPERAND_CALLER) return { caller: true }
  return tag === OPERAND_COLUMN ? { column: reader.text16() } : readTagged(reader, tag)
}

function readMany<T>(reader: ByteReader, read: (reader: ByteReader) => T): T[] {
  const count = reader.u16()
  if (count > IN_VALUES_MAX || count > reader.remaining) throw tooLong()
  const items: T[] = []
  for (let i = 0; i < count; i++) items.push(read(reader))
  return items
}

function tooLong(): MalformedBytes {
  return new MalformedBytes('a condition with too much in it')
}

/** Where the condition at `at` ends; reads nothing but its form. @throws MalformedBytes */
export function skipExpr(bytes: Uint8Array, at: number, end: number, depth: number = 1): number {
  if (depth > EXPR_DEPTH_MAX) throw new MalformedBytes('a condition of too many levels')
  if (at >= end) throw new MalformedBytes('condition cut')
  const code = bytes[at]!
  if (code < COMPARISONS.length) return skipOperand(bytes, skipText16(bytes, at + 1, end), end)
  switch (code) {
    case ExprCode.in: {
      const countAt = skipText16(bytes, at + 1, end)
      let next = countAt + 2
      for (let left = skipCount(bytes, countAt, end); left > 0; left--) next = skipOperand(bytes, next, end)
      return next
    }
    case ExprCode.between:
      return skipOperand(bytes, skipOperand(bytes, skipText16(bytes, at + 1, end), end), end)
    case ExprCode.isNull:
    case ExprCode.isNotNull:
      return skipText16(bytes, at + 1, end)
    case ExprCode.like: {
      const patternAt = skipText16(bytes, at + 1, end)
      const next = skipText16(bytes, patternAt, end)
      if (next - patternAt - 2 > LIKE_PATTERN_BYTES_MAX) throw tooLong()
      return next
    }
    case ExprCode.and:
    case ExprCode.or: {
      let next = at + 3
      for (let left = skipCount(bytes, at + 1, end); left > 0; left--) next = skipExpr(bytes, next, end, depth + 1)
      return next
    }
    case ExprCode.not:
      return skipExpr(bytes, at + 1, end, depth + 1)
    default:
      throw new MalformedBytes(`condition ${code}`)
  }
}

/** The count at `at`. */
function skipCount(bytes: Uint8Array, at: number, end: number): number {
  if (at + 2 > end) throw new MalformedBytes('count cut')
  const count = readU16(bytes, at)
  if (count > IN_VALUES_MAX) throw tooLong()
  return count
}

function skipOperand(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) throw new MalformedBytes('operand cut')
  if (bytes[at] === OPERAND_CALLER) return at + 1
  return bytes[at] === OPERAND_COLUMN ? skipText16(bytes, at + 1, end) : skipValue(bytes, at, end)
}

function skipText16(bytes: Uint8Array, at: number, end: number): number {
  const next = at + 2 <= end ? at + 2 + readU16(bytes, at) : end + 1
  if (next > end) throw new MalformedBytes('text cut')
  return next
}

export function writeScalar(out: ByteWriter, scalar: ScalarExpr, depth: number = 1): void {
  if (depth > EXPR_DEPTH_MAX) throw new RangeError(`an expression has at most ${EXPR_DEPTH_MAX} levels`)
  if ('column' in scalar) {
    out.u8(ScalarCode.column)
    return out.text16(scalar.column)
  }
  if ('value' in scalar) {
    out.u8(ScalarCode.value)
    return writeValue(out, scalar.value)
  }
  if (!ARITHMETIC.includes(scalar.op)) throw new RangeError(`no arithmetic: ${scalar.op}`)
  out.u8(ScalarCode[scalar.op])
  writeScalar(out, scalar.left, depth + 1)
  writeScalar(out, scalar.right, depth + 1)
}

/** @throws MalformedBytes */
export function readScalar(reader: ByteReader, depth: number = 1): ScalarExpr {
  if (depth > EXPR_DEPTH_MAX) throw new MalformedBytes('an expression of too many levels')
  const code = reader.u8()
  if (code === ScalarCode.column) return { column: reader.text16() }
  if (code === ScalarCode.value) return { value: readValue(reader) }
  const op = ARITHMETIC[code - ScalarCode.add]
  if (op === undefined) throw new MalformedBytes(`expression ${code}`)
  return { op, left: readScalar(reader, depth + 1), right: readScalar(reader, depth + 1) }
}
