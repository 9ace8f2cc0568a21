import { isReference } from '../../encoding/index.ts'
import type { Expr, Operand, Value } from '../../encoding/index.ts'
import { classOf, LikePattern, literalOf } from '../conditions/index.ts'
import type { Table } from '../tables/index.ts'

/**
 * What a conjunct can do for an index on its column:
 * `point` one value, `points` some, `prefix` texts with a common beginning, `low`, `high`, `range` a stretch of the order, `some` all but
 * Null, `none` nothing.
 */
export type ConjunctUse = 'point' | 'points' | 'prefix' | 'low' | 'high' | 'range' | 'some' | 'none'

/** One of the conditions that must all hold. */
export interface Conjunct {
  readonly expr: Expr
  /** Of the table; -1 where `use` is `none`. */
  readonly position: number
  readonly use: ConjunctUse
  /** Whether the index's range says all that the conjunct says. */
  readonly isExact: boolean
}

const LONE_SURROGATE = /\p{Surrogate}/u

/** The conditions that must all hold for `exprs` to hold: nested `and`s taken apart, nested `or`s made one. */
export function flatten(exprs: readonly (Expr | undefined)[]): Expr[] {
  const flat: Expr[] = []
  for (const expr of exprs) {
    if (expr === undefined) continue
    if (expr.op === 'and') flat.push(...flatten(expr.args))
    else if (expr.op === 'or') {
      const args = alternatives(expr.args)
      if (args.length === 1) flat.push(...flatten(args))
      else flat.push({ op: 'or', args })
    } else flat.push(expr)
  }
  return flat
}

function alternatives(args: readonly Expr[]): Expr[] {
  return args.flatMap(arg => (arg.op === 'or' ? alternatives(arg.args) : [arg]))
}

/** `columnOf` gives a name's position in `table`, undefined for columns of others. */
export function classify(expr: Expr, table: Table, columnOf: (name: string) => number | undefined): Conjunct {
  const comparison = expr.op === 'or' ? asList(expr.args) : expr
  if (!('column' in comparison)) return { expr, position: -1, use: 'none', isExact: false }
  const position = columnOf(comparison.column)
  if (position === undefined) return { expr, position: -1, use: 'none', isExact: false }
  const use = useOf(comparison)
  if (use === 'none') return { expr, position: -1, use, isExact: false }
  const valueClass = classOf(table.columns[position]!.type)
  if (comparison.op === 'like') {
    if (valueClass !== 'text') return { expr, position: -1, use: 'none', isExact: false }
    const pattern = LikePattern.parse(comparison.pattern)
    if (!(pattern instanceof LikePattern)) return { expr, position: -1, use: 'none', isExact: false }
    if (pattern.exact !== undefined) return { expr: comparison, position, use: 'point', isExact: true }
    if (pattern.prefix === '') return { expr, position: -1, use: 'none', isExact: false }
    return { expr: comparison, position, use, isExact: pattern.isPrefixOnly }
  }
  return { expr: comparison, position, use, isExact: true }
}

/** `a = 1 or a = 2 or a in (...)` is a list; anything else stays what it is. */
function asList(args: readonly Expr[]): Expr {
  const values: Operand[] = []
  let column: string | undefined
  for (const arg of args) {
    if (!('value' in arg && arg.op === 'eq') && !('values' in arg)) return { op: 'or', args }
    if (column !== undefined && arg.column !== column) return { op: 'or', args }
    column = arg.column
    if ('values' in arg) values.push(...arg.values)
    else values.push(arg.value)
  }
  return column === undefined ? { op: 'or', args } : { op: 'in', column, values }
}

function useOf(expr: Expr): ConjunctUse {
  switch (expr.op) {
    case 'eq':
      return isIndexable(expr.value) ? 'point' : 'none'
    case 'in':
      return expr.values.every(isIndexable) ? 'points' : 'none'
    case 'lt':
    case 'lte':
      return isIndexable(expr.value) ? 'high' : 'none'
    case 'gt':
    case 'gte':
      return isIndexable(expr.value) ? 'low' : 'none'
    case 'between':
      return isIndexable(expr.low) && isIndexable(expr.high) ? 'range' : 'none'
    case 'isNull':
      return 'point'
    case 'isNotNull':
      return 'some'
    case 'like':
      return LONE_SURROGATE.test(expr.pattern) ? 'none' : 'prefix'
    case 'ne':
    case 'and':
    case 'or':
    case 'not':
      return 'none'
    default:
      throw new RangeError(`condition ${String(expr satisfies never)}`)
  }
}

/** Another column of the row is no key, and a text that is no Unicode has no place in an index. */
function isIndexable(operand: Operand): boolean {
  if (isReference(operand)) return 'caller' in operand
  return typeof operand !== 'string' || !LONE_SURROGATE.test(operand)
}

/** The value of an operand that an index is looked up with; undefined if it does not compare with the column. */
export function keyOperand(table: Table, position: number, operand: Operand, caller: string): Value | undefined {
  const valueClass = classOf(table.columns[position]!.type)
  if (!isReference(operand)) return literalOf(valueClass, operand)
  return 'caller' in operand && valueClass === 'text' ? caller : undefined
}
