import { isPairs, joinConditions, QUERY_LIMITS, QuorateError } from '../../model/index.ts'
import type { JoinData, QueryData } from '../../model/index.ts'
import type { Expr } from '../../encoding/index.ts'
import { compileCondition, conditionColumns } from '../conditions/index.ts'
import type { ColumnNames } from '../conditions/index.ts'
import { flatten } from './conjuncts.ts'
import { implyConstants } from './implied-constants.ts'
import type { CellPlaces } from './join-sources.ts'
import { invalidQuery, valid, withoutAlias } from './names.ts'
import { isInner, mayBeMissing, ownerOf } from './outer-joins.ts'
import type { BoundTable } from './names.ts'
import type { Outputs } from './outputs.ts'

/** What is done where. */
export interface QueryParts {
  /** By table: conditions that its own rows can be judged by, in its own names. */
  readonly pushed: readonly (readonly Expr[])[]
  /** By table: what its rows must fulfil to join those before it, known from constants of these; in its own names. */
  readonly implied: readonly (readonly Expr[])[]
  /** By join: what else must be true of two rows to join. */
  readonly on: readonly (readonly Expr[])[]
  readonly afterJoins: readonly Expr[]
  /** By table: positions of the columns that the query reads. */
  readonly needed: readonly ReadonlySet<number>[]
}

/** Conditions on the way to where they are judged. */
interface Placing {
  readonly query: QueryData
  readonly tables: readonly BoundTable[]
  readonly names: ColumnNames
  readonly pushed: Expr[][]
  readonly on: Expr[][]
  readonly afterJoins: Expr[]
  /** Names of the columns that the conditions read. */
  readonly read: Set<string>
}

/** @throws QuorateError `column_not_found`, `type_mismatch`, `invalid_query` for the conditions of joins */
export function partsOf(
  query: QueryData,
  tables: readonly BoundTable[],
  names: ColumnNames,
  outputs: Outputs,
  caller: string,
): QueryParts {
  const { joins = [] } = query
  const placing: Placing = {
    query,
    tables,
    names,
    pushed: tables.map(() => []),
    on: joins.map(() => []),
    afterJoins: [],
    read: new Set(outputs.needs),
  }
  joins.forEach((join, i) => {
    requireForm(join)
    const conditions = joinConditions(join)
    for (const expr of conditions) valid(compileCondition(expr, names, caller))
    for (const expr of flatten(conditions)) placeOn(placing, expr, i)
  })
  for (const expr of flatten([query.where])) placeWhere(placing, expr)
  const { pushed, on, afterJoins, read } = placing
  const implied = implyConstants(query, tables, names, pushed, on)
  return { pushed, implied, on, afterJoins, needed: neededOf(tables, names, read) }
}

function requireForm({ type, on }: JoinData): void {
  const isWithout = on === undefined || (isPairs(on) && on.length === 0)
  if (type === 'cross') {
    if (!isWithout) throw invalidQuery('a cross join has no conditions')
  } else if (isWithout) throw invalidQuery(`a join of type ${type} needs a condition`)
  else if (isPairs(on) && on.length > QUERY_LIMITS.joinConditions) {
    throw invalidQuery(`a join has at most ${QUERY_LIMITS.joinConditions} pairs of columns`)
  }
}

/** Numbers of the tables whose columns a condition reads. */
function ownersIn({ tables, names, read }: Placing, expr: Expr): number[] {
  const owners = new Set<number>()
  for (const name of conditionColumns(expr)) {
    read.add(name)
    owners.add(ownerOf(tables, positionOf(names, name)))
  }
  return [...owners]
}

/**
 * A condition of the join that adds table `join + 1`. On that table alone it says which of its rows may be partners, and where they are not
 * kept without one, it is said of them beforehand; likewise on a table before, where rows without a partner are not kept.
 */
function placeOn(placing: Placing, expr: Expr, join: number): void {
  const { query, tables, pushed, on } = placing
  const owners = ownersIn(placing, expr)
  const added = join + 1
  const { type } = query.joins![join]!
  for (const owner of owners) {
    if (owner > added) throw invalidQuery(`${tables[owner]!.alias} is joined later than a condition names it`)
  }
  const [owner] = owners
  const keepsLeft = type === 'left' || type === 'full'
  const keepsRight = type === 'right' || type === 'full'
  const isSaidBefore =
    owner !== undefined &&
    owners.length === 1 &&
    (owner === added ? !keepsRight : !keepsLeft && !mayBeMissing(query, owner, join))
  if (isSaidBefore) pushed[owner]!.push(withoutAlias(expr, tables[owner]!.alias))
  else on[join]!.push(expr)
}

/** Of several tables a condition is one of the join that completes them, unless rows without a partner are kept there or later. */
function placeWhere(placing: Placing, expr: Expr): void {
  const { query, tables, pushed, on, afterJoins } = placing
  const { joins = [] } = query
  const owners = ownersIn(placing, expr)
  const [owner] = owners
  if (tables.length === 1) pushed[0]!.push(owner === undefined ? expr : withoutAlias(expr, tables[0]!.alias))
  else if (owner === undefined) afterJoins.push(expr)
  else if (owners.length === 1 && !mayBeMissing(query, owner, joins.length)) {
    pushed[owner]!.push(withoutAlias(expr, tables[owner]!.alias))
  } else {
    const last = Math.max(...owners) - 1
    const isOfJoin =
      owners.length > 1 && joins.slice(last).every(({ type }, i) => isInner(type) || (i > 0 && type === 'left'))
    if (isOfJoin) on[last]!.push(expr)
    else afterJoins.push(expr)
  }
}

function positionOf(names: ColumnNames, name: string): number {
  const position = names.position(name)
  if (position === undefined) throw new QuorateError('column_not_found', `there is no column ${name}`)
  return position
}

function neededOf(tables: readonly BoundTable[], names: ColumnNames, read: Iterable<string>): Set<number>[] {
  const needed: Set<number>[] = tables.map(() => new Set())
  for (const name of read) {
    const position = positionOf(names, name)
    const owner = ownerOf(tables, position)
    needed[owner]!.add(position - tables[owner]!.offset)
  }
  tables.forEach(({ policy, table }, i) => {
    if (policy !== undefined) for (const name of conditionColumns(policy)) needed[i]!.add(table.position(name)!)
  })
  return needed
}

/** By table: which cells of it go where in the joined row. */
export function cellPlaces(tables: readonly BoundTable[], { needed }: QueryParts): CellPlaces[] {
  return tables.map(({ offset }, i) => {
    const from = [...needed[i]!].sort((a, b) => a - b)
    return { from, to: from.map(position => offset + position) }
  })
}
