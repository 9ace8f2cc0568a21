import type { ComparisonOperator, Expr } from '../../encoding/index.ts'
import { QUERY_LIMITS, QuorateError } from '../../model/index.ts'
import type { JoinData, QueryData } from '../../model/index.ts'
import { compileCondition } from '../conditions/index.ts'
import type { ColumnNames, Condition } from '../conditions/index.ts'
import { choosePath } from './access-path.ts'
import { classify, flatten } from './conjuncts.ts'
import type { Conjunct } from './conjuncts.ts'
import { HeldJoin, LookUpJoin } from './join-sources.ts'
import type { CellPlaces, JoinedRow, JoinStep } from './join-sources.ts'
import { invalidQuery, valid } from './names.ts'
import type { BoundTable } from './names.ts'
import { cellPlaces } from './query-parts.ts'
import type { QueryParts } from './query-parts.ts'
import type { RowSource } from './sources.ts'
import { TableAccess } from './table-access.ts'
import type { Work } from './work.ts'

/** How one more table is joined to the rows so far. */
export interface JoinPlan {
  readonly kind: 'lookUp' | 'hash' | 'nested'
  readonly type: JoinData['type']
  readonly bound: BoundTable
  readonly access: TableAccess
  /** The rows of `left`, which fill `row`, with those of the table. */
  readonly open: (work: Work, left: RowSource, row: JoinedRow) => RowSource
}

/** An equality between a column of the joined table and one of an earlier table. */
interface Equality {
  /** Position in the joined table. */
  readonly right: number
  /** Positions in the joined row. */
  readonly leftAt: number
  readonly rightAt: number
}

interface OnParts {
  readonly equalities: readonly Equality[]
  readonly all: readonly Expr[]
  readonly others: readonly Expr[]
}

/** @throws QuorateError `column_not_found`, `type_mismatch`, `invalid_query` */
export function planJoins(
  query: QueryData,
  tables: readonly BoundTable[],
  names: ColumnNames,
  parts: QueryParts,
  caller: string,
): JoinPlan[] {
  const places = cellPlaces(tables, parts)
  return (query.joins ?? []).map((join, i) => planJoin(join, tables, names, parts, { i: i + 1, caller, places }))
}

interface JoinContext {
  readonly i: number
  readonly caller: string
  readonly places: readonly CellPlaces[]
}

function planJoin(
  join: JoinData,
  tables: readonly BoundTable[],
  names: ColumnNames,
  parts: QueryParts,
  { i, caller, places }: JoinContext,
): JoinPlan {
  const bound = tables[i]!
  const { table } = bound
  const on = onParts(join, tables, names, i)
  const own = flatten([...parts.pushed[i]!, bound.policy]).map(expr =>
    classify(expr, table, name => table.position(name)),
  )
  const compile = (exprs: readonly Expr[]): Condition | undefined =>
    exprs.length === 0 ? undefined : valid(compileCondition({ op: 'and', args: exprs }, names, caller))
  const all = compile(on.all)
  const needed = parts.needed[i]!
  const wish = { table, caller, needed, order: [], limit: undefined, useIndex: undefined, isWalkOnly: true }
  const common = { type: join.type, bound }
  const lookUp = join.type === 'inner' || join.type === 'left' ? lookUpAccess(on, own, bound, wish) : undefined
  if (lookUp !== undefined) {
    const step: JoinStep = { type: join.type, places: places[i]!, on: all }
    const open: JoinPlan['open'] = (work, left, row) =>
      new LookUpJoin(work, row, left, step, () =>
        lookUp.access.open(work, undefined, conjunct => row.values[lookUp.leftAt(conjunct)]!),
      )
    return { ...common, kind: 'lookUp', access: lookUp.access, open }
  }
  const access = new TableAccess(bound, own, choosePath({ ...wish, conjuncts: own, isWalkOnly: false }), caller)
  const isHash = on.equalities.length > 0
  const step: JoinStep = { type: join.type, places: places[i]!, on: isHash ? compile(on.others) : all }
  const keys = {
    left: on.equalities.map(({ leftAt }) => leftAt),
    right: on.equalities.map(({ rightAt }) => rightAt),
    leftPlaces: { from: [], to: places.slice(0, i).flatMap(({ to }) => to) },
  }
  const open: JoinPlan['open'] = (work, left, row) => new HeldJoin(work, row, left, access.open(work), step, keys)
  return { ...common, kind: isHash ? 'hash' : 'nested', access, open }
}

function onParts(join: JoinData, tables: readonly BoundTable[], names: ColumnNames, i: number): OnParts {
  const { on = [], type } = join
  if (type === 'cross' && on.length > 0) throw invalidQuery('a cross join has no conditions')
  if (on.length > QUERY_LIMITS.joinConditions) {
    throw invalidQuery(`a join has at most ${QUERY_LIMITS.joinConditions} conditions`)
  }
  if (type !== 'cross' && on.length === 0) throw invalidQuery(`a join of type ${type} needs a condition`)
  const { offset, table } = tables[i]!
  const end = offset + table.columns.length
  const isRight = (position: number): boolean => position >= offset && position < end
  const equalities: Equality[] = []
  const all: Expr[] = []
  const others: Expr[] = []
  for (const { left, op = 'eq', right } of on) {
    const expr: Expr = { op: op satisfies ComparisonOperator, column: left, value: { column: right } }
    all.push(expr)
    const [a, b] = [positionOf(names, left, end), positionOf(names, right, end)]
    if (op === 'eq' && isRight(a) !== isRight(b)) {
      const [leftAt, rightAt] = isRight(b) ? [a, b] : [b, a]
      equalities.push({ leftAt, rightAt, right: rightAt - offset })
    } else others.push(expr)
  }
  return { equalities, all, others }
}

function positionOf(names: ColumnNames, name: string, end: number): number {
  const position = names.position(name)
  if (position === undefined) throw invalidColumn(name)
  if (position >= end) throw invalidQuery(`${name} belongs to a table that is joined later`)
  return position
}

function invalidColumn(name: string): Error {
  return new QuorateError('column_not_found', `there is no column ${name}`)
}

interface LookUp {
  readonly access: TableAccess
  /** Where in the joined row the value of a conjunct comes from. */
  leftAt(conjunct: number): number
}

/** A way to the right rows that some equality bounds; undefined if no index knows one. */
function lookUpAccess(
  { equalities }: OnParts,
  own: readonly Conjunct[],
  bound: BoundTable,
  wish: Omit<Parameters<typeof choosePath>[0], 'conjuncts'>,
): LookUp | undefined {
  const { table, caller } = wish
  const conjuncts: Conjunct[] = [...own]
  const running = new Set<number>()
  for (const { right } of equalities) {
    running.add(conjuncts.length)
    // All that is known of the value beforehand: it is not Null, for it equals itself.
    const column = table.columns[right]!.name
    const expr: Expr = { op: 'eq', column, value: { column } }
    conjuncts.push({ expr, position: right, use: 'point', isExact: true })
  }
  const path = choosePath({ ...wish, conjuncts })
  if (path.kind !== 'range' || !path.parts.flat().some(conjunct => running.has(conjunct))) return undefined
  const access = new TableAccess(bound, conjuncts, path, caller, running)
  return { access, leftAt: conjunct => equalities[conjunct - own.length]!.leftAt }
}
