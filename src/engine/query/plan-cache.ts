import { IN_VALUES_MAX } from '../../encoding/index.ts'
import type { Expr } from '../../encoding/index.ts'
import type { QueryData } from '../../model/index.ts'
import { conditionColumns } from '../conditions/index.ts'
import type { Table } from '../tables/index.ts'
import type { AccessPath } from './access-path.ts'
import { classify, flatten } from './conjuncts.ts'
import type { Conjunct, ConjunctUse } from './conjuncts.ts'
import { impliesCondition } from './implication.ts'
import { textOfValue } from './keys-of-values.ts'
import type { BoundTable } from './names.ts'
import type { Outputs } from './outputs.ts'

/** What planning a query of one table comes to, whatever its literals are. */
export interface Prepared {
  readonly outputs: Outputs
  readonly path: AccessPath
  readonly isOrderedByScan: boolean
  readonly isBounded: boolean
}

/** Shapes that are remembered of a table. */
const SHAPES_MAX = 256

/** A table that changes is another object: what was prepared for the old one goes with it. */
const prepared = new WeakMap<Table, Map<string, Prepared>>()

export function recall(table: Table, shape: string): Prepared | undefined {
  return prepared.get(table)?.get(shape)
}

export function remember(table: Table, shape: string, plan: Prepared): void {
  let shapes = prepared.get(table)
  if (shapes === undefined) prepared.set(table, (shapes = new Map<string, Prepared>()))
  if (shapes.size >= SHAPES_MAX) shapes.clear()
  shapes.set(shape, plan)
}

const CODES: { readonly [K in ConjunctUse]: string } = {
  point: '=',
  points: 'i',
  prefix: 'p',
  low: '>',
  high: '<',
  range: 'r',
  some: '!',
  none: '?',
}

/**
 * A text that two queries of a table share only if the same way is right for both, hot path (bench/query). Undefined for queries that are
 * planned anew each time: joins, and those in whose columns literals are worked.
 */
export function shapeOf(
  query: QueryData,
  { table, alias }: BoundTable,
  conjuncts: readonly Conjunct[],
  limit: number,
  caller: string,
): string | undefined {
  const { select, aggregates, orderBy, groupBy, having, joins } = query
  if (having !== undefined || (joins !== undefined && joins.length > 0)) return undefined
  let shape = `${textOfValue(alias)}|${query.limit === undefined ? 0 : limit}|`
  if (query.distinct === true) shape += 'd'
  if (query.allowFullScan === true) shape += 'f'
  shape += '|'
  if (select === undefined) shape += '*'
  else {
    for (const item of select) {
      if (typeof item === 'string') shape += `${textOfValue(item)},`
      else if ('column' in item) shape += `${textOfValue(item.column)}>${textOfValue(item.as)},`
      else return undefined
    }
  }
  if (orderBy !== undefined)
    for (const { column, direction } of orderBy) shape += `|o${textOfValue(column)}${direction ?? ''}`
  if (groupBy !== undefined) shape += `|g${groupBy.map(textOfValue).join(',')}`
  if (aggregates !== undefined) {
    for (const { function: name, column = null, as = null } of aggregates) {
      shape += `|a${name}${textOfValue(column)}${textOfValue(as)}`
    }
  }
  if (query.useIndex !== undefined) shape += `|u${textOfValue(query.useIndex)}`
  for (const conjunct of conjuncts) {
    const code = codeOf(conjunct, table)
    if (code === undefined) return undefined
    shape += `|${code}`
  }
  return shape + impliedIndexes(table, conjuncts, caller)
}

function codeOf({ expr, use, position }: Conjunct, table: Table): string | undefined {
  if ('values' in expr && expr.values.length > IN_VALUES_MAX) return undefined
  if (use !== 'none') return `${CODES[use]}${position}`
  if (expr.op !== 'or') return `?${expr.op}${[...conditionColumns(expr)].map(textOfValue).join(',')}`
  let code = '('
  for (const arg of expr.args) {
    for (const part of flatten([arg])) {
      const own = codeOf(
        classify(part, table, name => table.position(name)),
        table,
      )
      if (own === undefined) return undefined
      code += `${own}&`
    }
    code += ';'
  }
  return `${code})`
}

/** Which partial indexes the literals let the query use. */
function impliedIndexes(table: Table, conjuncts: readonly Conjunct[], caller: string): string {
  let implied = ''
  let exprs: Expr[] | undefined
  for (const { where } of table.parts.indexes) {
    if (where === undefined) continue
    exprs ??= conjuncts.map(({ expr }) => expr)
    implied += impliesCondition(exprs, where, table, caller) ? '1' : '0'
  }
  return `|${implied}`
}
