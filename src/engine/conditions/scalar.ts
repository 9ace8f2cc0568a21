import { EXPR_DEPTH_MAX, narrow } from '../../encoding/index.ts'
import type { ColumnType, ScalarExpr, Value } from '../../encoding/index.ts'
import type { Cells, ColumnNames } from './cells.ts'
import { classOf } from './comparable.ts'
import { InvalidExpression } from './invalid-expression.ts'

/** A computed value. */
export type Scalar = (row: Cells) => Value

/** What a computed value is: a column's or literal's kind as it stands, or the kind of number that arithmetic on it gives. */
interface Compiled {
  readonly scalar: Scalar
  readonly isNumber: boolean
  /** Arithmetic on floats is that of floats, whatever value they have. */
  readonly isFloat: boolean
  /** Integers of it may have 256 bits. */
  readonly isWide: boolean
  /** Of its results: what they compare with, and how they are told apart in JSON. Inexact quotients are floats among integers. */
  readonly type: ColumnType
}

type Operator = 'add' | 'subtract' | 'multiply' | 'divide'

interface IntegerBounds {
  readonly min: bigint
  readonly max: bigint
}

const NARROW: IntegerBounds = { min: -(1n << 63n), max: (1n << 64n) - 1n }
const WIDE: IntegerBounds = { min: -(1n << 255n), max: (1n << 256n) - 1n }

/** The computation and the type of its results, which says what they compare with. */
export interface CompiledScalar {
  readonly scalar: Scalar
  readonly type: ColumnType
}

/** Compiles a computed value for rows with these columns. Pure and deterministic. */
export function compileScalar(expr: ScalarExpr, names: ColumnNames): CompiledScalar | InvalidExpression {
  return compile(expr, names, 1)
}

function compile(expr: ScalarExpr, names: ColumnNames, depth: number): Compiled | InvalidExpression {
  if (depth > EXPR_DEPTH_MAX) {
    return new InvalidExpression('invalid_query', `a computed value is at most ${EXPR_DEPTH_MAX} deep`)
  }
  if ('column' in expr) return compileColumn(expr.column, names)
  if ('value' in expr) return compileLiteral(expr.value)
  const left = compile(expr.left, names, depth + 1)
  if (left instanceof InvalidExpression) return left
  const right = compile(expr.right, names, depth + 1)
  if (right instanceof InvalidExpression) return right
  if (!left.isNumber || !right.isNumber) {
    return new InvalidExpression('type_mismatch', `only numbers can be used with ${expr.op}`)
  }
  return compileArithmetic(expr.op, left, right)
}

function compileColumn(name: string, names: ColumnNames): Compiled | InvalidExpression {
  const position = names.position(name)
  if (position === undefined) return new InvalidExpression('column_not_found', `there is no column ${name}`)
  const { type } = names.columns[position]!
  return {
    scalar: row => row.cell(position),
    isNumber: classOf(type) === 'number',
    isFloat: type === 'float',
    isWide: type === 'u256' || type === 'i256',
    type,
  }
}

function compileLiteral(value: Value): Compiled | InvalidExpression {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    return new InvalidExpression('type_mismatch', 'a literal number is finite')
  }
  const literal = typeof value === 'bigint' ? narrow(value) : value
  const isFloat = typeof literal === 'number' && !Number.isSafeInteger(literal)
  const isWide = typeof literal === 'bigint' && (literal < NARROW.min || literal > NARROW.max)
  if (isWide && (literal < WIDE.min || literal > WIDE.max)) {
    return new InvalidExpression('type_mismatch', 'a literal integer has at most 256 bits')
  }
  const isNumber = literal === null || typeof literal === 'number' || typeof literal === 'bigint'
  return { scalar: () => literal, isNumber, isFloat, isWide, type: literalType(literal, isFloat, isWide) }
}

function literalType(literal: Value, isFloat: boolean, isWide: boolean): ColumnType {
  if (typeof literal === 'string') return 'text'
  if (typeof literal === 'boolean') return 'boolean'
  if (literal instanceof Uint8Array) return 'blob'
  return isFloat ? 'float' : isWide ? 'i256' : 'integer'
}

function compileArithmetic(op: Operator, left: Compiled, right: Compiled): Compiled {
  const isFloat = left.isFloat || right.isFloat
  const isWide = left.isWide || right.isWide
  const type = isFloat ? 'float' : isWide ? 'i256' : 'integer'
  const scalar: Scalar = row => {
    const a = left.scalar(row)
    if (a === null) return null
    const b = right.scalar(row)
    if (b === null) return null
    // The result of an inexact division is a float among integers: no safe integer.
    if (isFloat || isInexact(a) || isInexact(b)) return floatArithmetic(op, Number(a), Number(b))
    return integerArithmetic(op, a as number | bigint, b as number | bigint, isWide)
  }
  return { scalar, isNumber: true, isFloat, isWide, type }
}

function isInexact(value: Value): boolean {
  return typeof value === 'number' && !Number.isSafeInteger(value)
}

function floatArithmetic(op: Operator, a: number, b: number): number | null {
  const result = op === 'add' ? a + b : op === 'subtract' ? a - b : op === 'multiply' ? a * b : a / b
  return Number.isFinite(result) ? (result === 0 ? 0 : result) : null
}

/** Exact; wide results are bigints, as 256-bit cells are. */
function integerArithmetic(op: Operator, a: number | bigint, b: number | bigint, isWide: boolean): Value {
  if (typeof a === 'number' && typeof b === 'number' && op !== 'divide' && !isWide) {
    const result = op === 'add' ? a + b : op === 'subtract' ? a - b : a * b
    // A safe result was not rounded, for the exact one would be as near to it.
    if (Number.isSafeInteger(result)) return result === 0 ? 0 : result
  }
  const x = BigInt(a)
  const y = BigInt(b)
  if (op === 'divide') {
    if (y === 0n) return null
    if (x % y !== 0n) return floatArithmetic('divide', Number(x), Number(y))
  }
  const result = op === 'add' ? x + y : op === 'subtract' ? x - y : op === 'multiply' ? x * y : x / y
  const { min, max } = isWide ? WIDE : NARROW
  if (result < min || result > max) return null
  return isWide ? result : narrow(result)
}
