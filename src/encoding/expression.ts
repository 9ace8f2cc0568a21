import type { ComparisonOperator } from './comparison.ts'
import type { Value } from './values.ts'

/** What a column is compared with: a literal, another column of the same row, or who asks. */
export type Operand = Value | { column: string } | { caller: true }

/**
 * A condition on a row as data: of queries, predicate mutations, assertions, check constraints, partial indexes and read policies.
 * Three-valued: a comparison with Null is unknown, `not` of unknown is unknown, and only what is true selects a row. Numbers of all
 * kinds compare by value. Columns of joined tables are `alias.column`.
 */
export type Expr =
  | { op: ComparisonOperator; column: string; value: Operand }
  | { op: 'in'; column: string; values: readonly Operand[] }
  /** Both ends belong to it. */
  | { op: 'between'; column: string; low: Operand; high: Operand }
  | { op: 'isNull' | 'isNotNull'; column: string }
  /** On texts: `%` is any run of characters, `_` any one, and a backslash takes what follows literally. */
  | { op: 'like'; column: string; pattern: string }
  | { op: 'and' | 'or'; args: readonly Expr[] }
  | { op: 'not'; arg: Expr }

/** An operand that is not a literal. */
export function isReference(operand: Operand): operand is { column: string } | { caller: true } {
  return typeof operand === 'object' && operand !== null && !(operand instanceof Uint8Array)
}

/** The condition with every column named as `rename` says. */
export function mapColumns(expr: Expr, rename: (column: string) => string): Expr {
  const operand = (value: Operand): Operand =>
    isReference(value) && 'column' in value ? { column: rename(value.column) } : value
  switch (expr.op) {
    case 'and':
    case 'or':
      return { op: expr.op, args: expr.args.map(arg => mapColumns(arg, rename)) }
    case 'not':
      return { op: 'not', arg: mapColumns(expr.arg, rename) }
    case 'in':
      return { op: 'in', column: rename(expr.column), values: expr.values.map(operand) }
    case 'between':
      return { op: 'between', column: rename(expr.column), low: operand(expr.low), high: operand(expr.high) }
    case 'isNull':
    case 'isNotNull':
    case 'like':
      return { ...expr, column: rename(expr.column) }
    case 'eq':
    case 'ne':
    case 'lt':
    case 'lte':
    case 'gt':
    case 'gte':
      return { op: expr.op, column: rename(expr.column), value: operand(expr.value) }
    default:
      throw new RangeError(`condition ${String(expr satisfies never)}`)
  }
}

export const EXPR_DEPTH_MAX = 32
export const IN_VALUES_MAX = 10_000
export const LIKE_PATTERN_BYTES_MAX = 256

/**
 * A value computed from a row. Integers stay exact; what overflows 64 bits (256 where an operand may have them) or divides by zero is
 * Null; inexact division gives a float.
 */
export type ScalarExpr =
  | { column: string }
  | { value: Value }
  | { op: 'add' | 'subtract' | 'multiply' | 'divide'; left: ScalarExpr; right: ScalarExpr }
