import type { Expr } from '../../encoding/index.ts'
import type { JoinData, QueryData } from '../../model/index.ts'
import type { ColumnNames } from '../conditions/index.ts'
import { choosePath } from './access-path.ts'
import { classify, flatten } from './conjuncts.ts'
import type { Conjunct } from './conjuncts.ts'
import { equalityOf } from './implied-constants.ts'
import type { Equality } from './implied-constants.ts'
import { HeldJoin, LookUpJoin } from './join-sources.ts'
import type { CellPlaces, JoinedRow, JoinStep } from './join-sources.ts'
import { compileAll } from './names.ts'
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
  /** What must be true of two rows beyond keys that are equal. */
  readonly others: readonly Expr[]
  /** The rows of `left`, which fill `row`, with those of the table. */
  readonly open: (work: Work, left: RowSource, row: JoinedRow) => RowSource
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
  return (query.joins ?? []).map(({ type }, i) => planJoin(type, tables, names, parts, { i: i + 1, caller, places }))
}

interface JoinContext {
  readonly i: number
  readonly caller: string
  readonly places: readonly CellPlaces[]
}

function planJoin(
  type: JoinData['type'],
  tables: readonly BoundTable[],
  names: ColumnNames,
  parts: QueryParts,
  { i, caller, places }: JoinContext,
): JoinPlan {
  const bound = tables[i]!
  const { table } = bound
  const on = parts.on[i - 1]!
  const equalities: Equality[] = []
  const others: Expr[] = []
  for (const expr of on) {
    const equality = equalityOf(expr, names, tables, i)
    if (equality === undefined) others.push(expr)
    else equalities.push(equality)
  }
  const conjunctsOf = (exprs: readonly (Expr | undefined)[]): Conjunct[] =>
    flatten(exprs).map(expr => classify(expr, table, name => table.position(name)))
  const own = conjunctsOf([...parts.pushed[i]!, bound.policy])
  const needed = parts.needed[i]!
  const wish = { table, caller, needed, order: [], limit: undefined, useIndex: undefined, isWalkOnly: true }
  const common = { type, bound }
  const keepsRight = type === 'right' || type === 'full'
  const lookUp = keepsRight ? undefined : lookUpAccess(equalities, own, bound, wish)
  if (lookUp !== undefined) {
    const step: JoinStep = { type, places: places[i]!, on: compileAll(on, names, caller) }
    const open: JoinPlan['open'] = (work, left, row) =>
      new LookUpJoin(work, row, left, step, () =>
        lookUp.access.open(work, undefined, conjunct => row.values[lookUp.leftAt(conjunct)]!),
      )
    return { ...common, kind: 'lookUp', others, access: lookUp.access, open }
  }
  const all = [...own, ...conjunctsOf(parts.implied[i]!)]
  const access = new TableAccess(bound, all, choosePath({ ...wish, conjuncts: all, isWalkOnly: false }), caller)
  const step: JoinStep = { type, places: places[i]!, on: compileAll(others, names, caller) }
  const keys = {
    left: equalities.map(({ left }) => left),
    right: equalities.map(({ right }) => right),
    leftPlaces: { from: [], to: places.slice(0, i).flatMap(({ to }) => to) },
  }
  const open: JoinPlan['open'] = (work, left, row) => new HeldJoin(work, row, left, access.open(work), step, keys)
  const kind = equalities.length > 0 ? 'hash' : 'nested'
  return { ...common, kind, others, access, open }
}

interface LookUp {
  readonly access: TableAccess
  /** Where in the joined row the value of a conjunct comes from. */
  leftAt(conjunct: number): number
}

/** A way to the right rows that some equality bounds; undefined if no index knows one. */
function lookUpAccess(
  equalities: readonly Equality[],
  own: readonly Conjunct[],
  bound: BoundTable,
  wish: Omit<Parameters<typeof choosePath>[0], 'conjuncts'>,
): LookUp | undefined {
  const { table, caller } = wish
  const conjuncts: Conjunct[] = [...own]
  const running = new Set<number>()
  for (const { right } of equalities) {
    running.add(conjuncts.length)
    const position = right - bound.offset
    // All that is known of the value beforehand: it is not Null, for it equals itself.
    const column = table.columns[position]!.name
    const expr: Expr = { op: 'eq', column, value: { column } }
    conjuncts.push({ expr, position, use: 'point', isExact: true })
  }
  const path = choosePath({ ...wish, conjuncts })
  if (path.kind !== 'range' || !path.parts.flat().some(conjunct => running.has(conjunct))) return undefined
  const access = new TableAccess(bound, conjuncts, path, caller, running)
  return { access, leftAt: conjunct => equalities[conjunct - own.length]!.left }
}
