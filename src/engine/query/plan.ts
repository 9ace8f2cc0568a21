import { QUERY_LIMITS } from '../../model/index.ts'
import type { QueryData } from '../../model/index.ts'
import { compileCondition } from '../conditions/index.ts'
import type { ColumnNames, Condition } from '../conditions/index.ts'
import { choosePath } from './access-path.ts'
import type { OrderWish } from './access-path.ts'
import { classify, flatten } from './conjuncts.ts'
import { Groups } from './groups.ts'
import { FirstOfJoin, JoinedRow, PlacesOfWalk } from './join-sources.ts'
import type { CellPlaces } from './join-sources.ts'
import { planJoins } from './joins.ts'
import { MeteredSource, MeteredStage } from './meters.ts'
import type { QueryMeters, StageMeter } from './meters.ts'
import type { JoinPlan } from './joins.ts'
import { bindTables, compileAll, invalidQuery, JoinNames, TableNames, valid, withoutAlias } from './names.ts'
import type { BoundTable, QueryContext } from './names.ts'
import { planOutputs } from './outputs.ts'
import type { Outputs } from './outputs.ts'
import { recall, remember, shapeOf } from './plan-cache.ts'
import { cellPlaces, partsOf } from './query-parts.ts'
import type { RowSource, TableSource } from './sources.ts'
import { Distinct, InJoinOrder, InOrder, InSourceOrder } from './stages.ts'
import type { Mark, Stage } from './stages.ts'
import { TableAccess } from './table-access.ts'
import { ROW } from './work.ts'
import type { Work } from './work.ts'

/** A query made ready against the tables of one state; good for any number of runs. */
export interface Plan {
  readonly query: QueryData
  readonly tables: readonly BoundTable[]
  readonly outputs: Outputs
  readonly access: TableAccess
  readonly joins: readonly JoinPlan[]
  /** Columns of the joined row, and which cells of the first table it has. */
  readonly width: number
  readonly firstPlaces: CellPlaces
  /** What is judged on joined rows. */
  readonly filter: Condition | undefined
  /** The walk gives the rows in the order asked for. */
  readonly isOrderedByScan: boolean
  /** An index or a limit bounds what is read. */
  readonly isBounded: boolean
}

/**
 * Chooses how to run a query.
 * @throws QuorateError `project_not_found`, `scope_not_found`, `table_not_found`, `column_not_found`, `index_not_found`,
 * `permission_denied`, `type_mismatch`, `invalid_query`
 */
export function planQuery(query: QueryData, context: QueryContext): Plan {
  requireLimits(query)
  const tables = bindTables(query, context)
  return (
    (tables.length === 1 ? planAgain(query, tables[0]!, context.caller) : undefined) ??
    planAnew(query, tables, context.caller)
  )
}

/** The plan of a query of whose shape there was one before, with the literals of this one. hot path (bench/query) */
function planAgain(query: QueryData, first: BoundTable, caller: string): Plan | undefined {
  const { table, alias } = first
  const where = query.where === undefined ? undefined : withoutAlias(query.where, alias)
  const conjuncts = flatten([where, first.policy]).map(expr => classify(expr, table, name => table.position(name)))
  const shape = shapeOf(query, first, conjuncts, assumedLimit(query), caller)
  if (shape === undefined) return undefined
  const known = recall(table, shape)
  if (known === undefined) {
    const plan = planAnew(query, [first], caller)
    const { outputs, access, isOrderedByScan, isBounded } = plan
    remember(table, shape, { outputs, path: access.path, isOrderedByScan, isBounded })
    return plan
  }
  const access = new TableAccess(first, conjuncts, known.path, caller)
  return { query, tables: [first], ...known, access, joins: [], width: 0, firstPlaces: NO_PLACES, filter: undefined }
}

const NO_PLACES: CellPlaces = { from: [], to: [] }

function planAnew(query: QueryData, tables: readonly BoundTable[], caller: string): Plan {
  const [first] = tables as [BoundTable]
  const names: ColumnNames = tables.length === 1 ? new TableNames(first) : new JoinNames(tables)
  if (query.where !== undefined) valid(compileCondition(query.where, names, caller))
  const outputs = planOutputs(query, names, tables, caller)
  if (outputs.columns.length === 0) throw invalidQuery('nothing is selected')
  const parts = partsOf(query, tables, names, outputs, caller)
  const conjuncts = flatten([...parts.pushed[0]!, first.policy]).map(expr =>
    classify(expr, first.table, name => first.table.position(name)),
  )
  const order = orderWishes(query, tables, outputs)
  const { limit } = query
  const path = choosePath({
    table: first.table,
    conjuncts,
    caller,
    needed: parts.needed[0]!,
    order: order ?? [],
    limit: order === undefined || query.distinct === true ? undefined : assumedLimit(query),
    useIndex: query.useIndex,
    isWalkOnly: false,
  })
  const access = new TableAccess(first, conjuncts, path, caller)
  const isBounded = access.isBounded || limit !== undefined
  if (!isBounded && outputs.grouping === undefined && query.allowFullScan !== true) {
    throw invalidQuery('no index bounds the query and no limit ends it: it needs allowFullScan')
  }
  return {
    query,
    tables,
    outputs,
    access,
    width: names.columns.length,
    firstPlaces: cellPlaces(tables, parts)[0]!,
    joins: planJoins(query, tables, names, parts, caller),
    filter: compileAll(parts.afterJoins, names, caller),
    isOrderedByScan: outputs.grouping === undefined && order !== undefined && path.isOrdered,
    isBounded,
  }
}

/** Pages of a query may differ in size, but not in the way that they are read. */
function assumedLimit({ limit = QUERY_LIMITS.defaultPageRows, offset = 0 }: QueryData): number {
  return limit + offset <= USUAL_ROWS_MAX ? QUERY_LIMITS.defaultPageRows : MANY_ROWS
}

const USUAL_ROWS_MAX = 1_000
const MANY_ROWS = 10_000

function requireLimits(query: QueryData): void {
  atMost('columns to order by', query.orderBy, QUERY_LIMITS.orderColumns)
  atMost('columns to group by', query.groupBy, QUERY_LIMITS.groupColumns)
  atMost('aggregates', query.aggregates, QUERY_LIMITS.aggregates)
  atMost('joins', query.joins, QUERY_LIMITS.joins)
  atMost('selected columns', query.select, QUERY_LIMITS.selectItems)
  const { limit, offset } = query
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit > 0)) throw invalidQuery('a limit is at least 1')
  if (offset === undefined) return
  if (!(Number.isSafeInteger(offset) && offset >= 0)) throw invalidQuery('an offset is at least 0')
  if (limit === undefined) throw invalidQuery('an offset needs a limit')
  if (query.cursor !== undefined) throw invalidQuery('an offset excludes a cursor')
}

function atMost(what: string, items: readonly unknown[] | undefined, max: number): void {
  if (items !== undefined && items.length > max) throw invalidQuery(`a query has at most ${max} ${what}`)
}

/** The wished order as columns of the first table; undefined if no walk of it can give it. */
function orderWishes(query: QueryData, tables: readonly BoundTable[], outputs: Outputs): OrderWish[] | undefined {
  if (outputs.grouping !== undefined) return undefined
  if ((query.joins ?? []).some(({ type }) => type === 'right' || type === 'full')) return undefined
  const columns = tables[0]!.table.columns.length
  const wishes: OrderWish[] = []
  for (const { position, isDescending } of outputs.order) {
    if (position === undefined || position >= columns) return undefined
    wishes.push({ position, isDescending })
  }
  return wishes
}

/** Whether the rows are those of the first table's walk, so that a place in it or in their order is a place in the result. */
function isOfOneWalk({ joins, outputs, query }: Plan): boolean {
  return joins.length === 0 && outputs.grouping === undefined && query.distinct !== true
}

function isInSourceOrder({ isOrderedByScan, outputs }: Plan): boolean {
  return isOrderedByScan || outputs.order.length === 0
}

/** Whether joined rows come in the order of the first table's walk, each row of it with all that it is joined to. */
function isOfWalkOfFirst(plan: Plan): boolean {
  const { joins, outputs, query } = plan
  if (joins.length === 0 || outputs.grouping !== undefined || query.distinct === true) return false
  return isInSourceOrder(plan) && joins.every(({ type }) => type !== 'right' && type !== 'full')
}

const NO_KEY = new Uint8Array(0)

/** Opens a plan: the rows behind `behind`, of which no more than `count` will be pulled. `meters` count what its stages do. */
export function openPlan(plan: Plan, work: Work, count: number, behind: Mark | undefined, meters?: QueryMeters): Stage {
  const { access, outputs, query } = plan
  const start = behind?.kind === 'key' || behind?.kind === 'joined' ? behind.key : NO_KEY
  const table = access.open(work, start.length > 0 ? start : undefined)
  const places = isOfWalkOfFirst(plan) ? new PlacesOfWalk(start) : undefined
  const source = openGroups(plan, work, openSources(plan, work, table, places, meters), meters)
  const { reads: columns } = outputs
  const walk: TableSource | undefined = isOfOneWalk(plan) ? table : undefined
  let stage: Stage
  if (places !== undefined) stage = new InJoinOrder(source, columns, places)
  else if (isInSourceOrder(plan)) stage = new InSourceOrder(source, columns, walk)
  else {
    stage = new InOrder(work, source, columns, outputs.order, {
      count: query.distinct === true ? Infinity : count,
      table: walk,
      behind: behind?.kind === 'sort' ? behind : undefined,
    })
  }
  if (meters !== undefined) stage = new MeteredStage(stage, (meters.order = meters.next()))
  if (query.distinct !== true) return stage
  const distinct = new Distinct(work, stage)
  return meters === undefined ? distinct : new MeteredStage(distinct, (meters.distinct = meters.next()))
}

function openSources(
  plan: Plan,
  work: Work,
  table: TableSource,
  places: PlacesOfWalk | undefined,
  meters: QueryMeters | undefined,
): RowSource {
  const { joins, filter } = plan
  const metered = (source: RowSource, take: (meter: StageMeter) => void): RowSource => {
    if (meters === undefined) return source
    const meter = meters.next()
    take(meter)
    return new MeteredSource(source, meter)
  }
  if (joins.length === 0) return metered(table, meter => (meters!.scan = meter))
  const row = new JoinedRow(plan.width)
  let source = metered(new FirstOfJoin(row, table, plan.firstPlaces, places), meter => (meters!.scan = meter))
  for (const join of joins) source = metered(join.open(work, source, row), meter => meters!.joins.push(meter))
  return filter === undefined ? source : metered(new Filtered(source, filter), meter => (meters!.filter = meter))
}

function openGroups({ outputs }: Plan, work: Work, source: RowSource, meters: QueryMeters | undefined): RowSource {
  const { grouping } = outputs
  if (grouping === undefined) return source
  const groups = new Groups(work, source, grouping.keys, grouping.aggregates, grouping.having)
  if (meters === undefined) return groups
  meters.groups = meters.next()
  meters.groupCount = () => groups.count
  return new MeteredSource(groups, meters.groups)
}

class Filtered implements RowSource {
  readonly cells: RowSource['cells']
  readonly #source: RowSource
  readonly #filter: Condition

  constructor(source: RowSource, filter: Condition) {
    this.cells = source.cells
    this.#source = source
    this.#filter = filter
  }

  pull(): ReturnType<RowSource['pull']> {
    for (;;) {
      const pulled = this.#source.pull()
      // Whoever is below gives way when the step is over.
      if (pulled !== ROW || this.#filter(this.cells) === true) return pulled
    }
  }
}
