import { compareColumnValues, integerRange, narrow } from '../../encoding/index.ts'
import type { ColumnType, ComparisonOperator, Expr, Value } from '../../encoding/index.ts'
import { LikePattern } from '../conditions/index.ts'

export interface Bound {
  readonly value: Value
  readonly isIncluded: boolean
}

/** Which values of one column a conjunct allows, in the form of the column's type. A range has no Null; points may be it. */
export type Band =
  | { readonly kind: 'points'; readonly values: readonly Value[] }
  | { readonly kind: 'range'; readonly low: Bound | undefined; readonly high: Bound | undefined }
  | { readonly kind: 'prefix'; readonly prefix: string }

export const NEVER: Band = { kind: 'points', values: [] }
const NULL_ONLY: Band = { kind: 'points', values: [null] }
const ALL: Band = { kind: 'range', low: undefined, high: undefined }

/** The band of a comparison that `classify` calls useful; `operand` gives its literals. */
export function bandOf(type: ColumnType, expr: Expr, operand: (index: number) => Value): Band {
  switch (expr.op) {
    case 'isNull':
      return NULL_ONLY
    case 'isNotNull':
      return ALL
    case 'in':
      return points(type, expr.values.length, operand)
    case 'between':
      return intersect(comparisonBand(type, 'gte', operand(0)), comparisonBand(type, 'lte', operand(1)))
    case 'like':
      return likeBand(expr.pattern)
    case 'eq':
    case 'lt':
    case 'lte':
    case 'gt':
    case 'gte':
      return comparisonBand(type, expr.op, operand(0))
    default:
      throw new RangeError(`no band of ${expr.op}`)
  }
}

function likeBand(text: string): Band {
  const pattern = LikePattern.parse(text)
  if (!(pattern instanceof LikePattern)) return NEVER
  return pattern.exact === undefined
    ? { kind: 'prefix', prefix: pattern.prefix }
    : { kind: 'points', values: [pattern.exact] }
}

function points(type: ColumnType, count: number, operand: (index: number) => Value): Band {
  const values: Value[] = []
  for (let i = 0; i < count; i++) {
    const band = comparisonBand(type, 'eq', operand(i))
    if (band.kind === 'points') values.push(...band.values)
  }
  values.sort(compareColumnValues)
  return {
    kind: 'points',
    values: values.filter((value, i) => i === 0 || compareColumnValues(values[i - 1]!, value) !== 0),
  }
}

/**
 * The values of a column of the type for which `value op literal` is true, the literal being of any kind of its class: a literal that the
 * column cannot hold becomes the bound nearest to it.
 */
export function comparisonBand(type: ColumnType, op: ComparisonOperator, literal: Value): Band {
  if (literal === null) return NEVER
  if (typeof literal === 'number' || typeof literal === 'bigint') {
    if (type === 'float') return floatBand(op, literal)
    return integerBand(type, op, literal)
  }
  return bandAt(op, literal)
}

/** `literal` has the column's form. */
function bandAt(op: ComparisonOperator, value: Value): Band {
  switch (op) {
    case 'eq':
      return { kind: 'points', values: [value] }
    case 'lt':
    case 'lte':
      return { kind: 'range', low: undefined, high: { value, isIncluded: op === 'lte' } }
    case 'gt':
    case 'gte':
      return { kind: 'range', low: { value, isIncluded: op === 'gte' }, high: undefined }
    case 'ne':
      throw new RangeError('no band of ne')
    default:
      throw new RangeError(`comparison ${String(op satisfies never)}`)
  }
}

function integerBand(type: ColumnType, op: ComparisonOperator, literal: number | bigint): Band {
  const { min, max } = integerRange(type)!
  const isWide = type === 'u256' || type === 'i256'
  if (typeof literal === 'number' && !Number.isInteger(literal)) {
    if (op === 'eq') return NEVER
    // The integers below 2.5 are those up to 2, the ones above it those from 3.
    const isUpper = op === 'lt' || op === 'lte'
    return integerBand(type, isUpper ? 'lte' : 'gte', isUpper ? Math.floor(literal) : Math.ceil(literal))
  }
  const integer = BigInt(literal)
  if (integer >= min && integer <= max) return bandAt(op, isWide ? integer : narrow(integer))
  if (op === 'eq') return NEVER
  return (op === 'lt' || op === 'lte') === integer > max ? ALL : NEVER
}

function floatBand(op: ComparisonOperator, literal: number | bigint): Band {
  const nearest = Number(literal)
  if (!Number.isFinite(nearest)) {
    if (op === 'eq') return NEVER
    return (op === 'lt' || op === 'lte') === nearest > 0 ? ALL : NEVER
  }
  const value = nearest === 0 ? 0 : nearest
  // No float lies between an integer and the float nearest to it.
  const isExact = !(nearest < literal) && !(nearest > literal)
  if (isExact) return bandAt(op, value)
  if (op === 'eq') return NEVER
  const isUpper = op === 'lt' || op === 'lte'
  return bandAt(isUpper ? (nearest < literal ? 'lte' : 'lt') : nearest > literal ? 'gte' : 'gt', value)
}

/** What two bands of one column have in common; of prefixes only the first counts. */
export function intersect(a: Band, b: Band): Band {
  if (a.kind === 'points') {
    return b.kind === 'range' ? { kind: 'points', values: a.values.filter(value => isWithin(value, b)) } : a
  }
  if (b.kind === 'points') return intersect(b, a)
  if (a.kind === 'prefix' || b.kind === 'prefix') return a.kind === 'prefix' ? a : b
  return { kind: 'range', low: tighter(a.low, b.low, 1), high: tighter(a.high, b.high, -1) }
}

function isWithin(value: Value, { low, high }: Extract<Band, { kind: 'range' }>): boolean {
  if (value === null) return false
  if (low !== undefined) {
    const order = compareColumnValues(value, low.value)
    if (order < 0 || (order === 0 && !low.isIncluded)) return false
  }
  if (high === undefined) return true
  const order = compareColumnValues(value, high.value)
  return order < 0 || (order === 0 && high.isIncluded)
}

function tighter(a: Bound | undefined, b: Bound | undefined, sign: 1 | -1): Bound | undefined {
  if (a === undefined || b === undefined) return a ?? b
  const order = compareColumnValues(a.value, b.value) * sign
  if (order !== 0) return order > 0 ? a : b
  return a.isIncluded ? b : a
}
