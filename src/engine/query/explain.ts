import { QUERY_LIMITS } from '../../model/index.ts'
import type { QueryDiagnostics, QueryPlan, QueryStage, StageRun } from '../../model/index.ts'
import type { Table } from '../tables/index.ts'
import type { AccessPath, RangePath } from './access-path.ts'
import {
  filterEstimate,
  groupsEstimate,
  havingEstimate,
  joinEstimate,
  limitEstimate,
  scanEstimate,
  told,
} from './estimates.ts'
import type { Estimate } from './estimates.ts'
import type { QueryMeters, StageMeter } from './meters.ts'
import type { BoundTable, QueryContext } from './names.ts'
import { PAGE_BYTES_MAX } from './page-bounds.ts'
import type { Plan } from './plan.ts'
import type { TableAccess } from './table-access.ts'

/** How a plan runs, for people, and with how many rows as far as the caller may know. */
export function describePlan(plan: Plan, context: QueryContext): QueryPlan {
  const { isOrderedByScan, isBounded, query } = plan
  const { scanRowsMax, bytesMax } = context.limits
  return {
    ...chosenPath(plan),
    stages: stagesOf(plan, context),
    isOrderedByScan,
    isBounded,
    seq: context.seq,
    bounds: {
      pageRows: Math.min(query.limit ?? QUERY_LIMITS.defaultPageRows, scanRowsMax),
      pageBytes: PAGE_BYTES_MAX,
      ...(query.allowFullScan !== true && { scanRows: scanRowsMax }),
      heldBytes: bytesMax,
    },
  }
}

/** What the planner has decided: it belongs to what a cursor rests on. */
export function chosenPath({ access, joins }: Plan): Pick<QueryPlan, 'path' | 'indexes'> {
  const indexes = new Set(indexNames(access.path))
  for (const join of joins) for (const name of indexNames(join.access.path)) indexes.add(name)
  return { path: joins.length > 0 ? 'join' : pathName(access), indexes: [...indexes] }
}

function pathName(access: TableAccess): QueryPlan['path'] {
  const { path } = access
  if (path.kind === 'intersection') return 'indexIntersection'
  if (path.kind === 'union') return 'indexUnion'
  if (access.isPoint) return 'primaryKeyPoint'
  if (path.source.index !== undefined) return 'index'
  return path.parts.length > 0 ? 'primaryKeyRange' : 'fullScan'
}

function indexNames(path: AccessPath): string[] {
  const ranges = path.kind === 'range' ? [path] : path.kind === 'intersection' ? path.sides : path.branches
  return ranges.map(({ source }) => source.index?.name).filter(name => name !== undefined)
}

/** `stageRuns` goes through the stages in the same order. */
function stagesOf(plan: Plan, context: QueryContext): QueryStage[] {
  const { query, joins, outputs, filter, access, isOrderedByScan, tables } = plan
  const stages: QueryStage[] = []
  let rows: Estimate
  const add = (kind: QueryStage['kind'], text: string, found: Estimate): void => {
    rows = found
    stages.push({ kind, text, ...told(found) })
  }
  const [first] = tables as readonly [BoundTable]
  add('scan', `scan ${describeAccess(access, first.table)}`, scanEstimate(access, rowsOf(first, context)))
  for (const join of joins) {
    const { type, kind, bound, others, access: right } = join
    const more = others.length > 0 ? ', more conditions' : ''
    const text = `${type} join ${bound.alias} (${kind}${more}): ${describeAccess(right, bound.table)}`
    add('join', text, joinEstimate(rows, join, rowsOf(bound, context)))
  }
  if (filter !== undefined) add('filter', 'filter joined rows', filterEstimate(rows, plan))
  if (outputs.grouping !== undefined) {
    const { keys, aggregates, having } = outputs.grouping
    const by = keys.length === 0 ? 'all rows' : query.groupBy!.join(', ')
    add('aggregate', `aggregate: ${aggregates.length} over ${by}`, groupsEstimate(rows, plan))
    if (having !== undefined) add('having', 'having', havingEstimate(rows))
  }
  if (outputs.order.length > 0 && !isOrderedByScan) {
    const by = query.orderBy!.map(({ column, direction = 'asc' }) => `${column} ${direction}`).join(', ')
    if (query.distinct === true) add('sort', `sort by ${by}`, rows)
    else add('topK', `top-k by ${by}`, rows)
  }
  add('project', `project ${outputs.columns.map(({ name }) => name).join(', ')}`, rows)
  if (query.distinct === true) add('distinct', 'distinct', rows)
  if (query.limit !== undefined) {
    const offset = query.offset === undefined ? '' : ` offset ${query.offset}`
    add('limit', `limit ${query.limit}${offset}`, limitEstimate(rows, query))
  }
  return stages
}

/** Of a table of which a policy hides rows, not even their number is told. */
function rowsOf({ table, policy }: BoundTable, context: QueryContext): number | undefined {
  return policy === undefined ? context.rowCount?.(table) : undefined
}

/** What a run with meters came to. `pageRows` rows of `pageBytes` were its result. */
export function diagnose(
  plan: Plan,
  context: QueryContext,
  meters: QueryMeters,
  { pageRows, pageBytes }: { pageRows: number; pageBytes: number },
): QueryDiagnostics {
  return { plan: describePlan(plan, context), stages: stageRuns(plan, meters, pageRows), pageBytes }
}

function stageRuns(
  { query, joins, outputs, filter, isOrderedByScan, tables }: Plan,
  meters: QueryMeters,
  pageRows: number,
): StageRun[] {
  const passed = (rows: number): StageRun => ({ read: 0, rows, heldBytes: 0 })
  const runs = [runOf(meters.scan, tables[0])]
  joins.forEach(({ bound }, i) => runs.push(runOf(meters.joins[i], bound)))
  if (filter !== undefined) runs.push(runOf(meters.filter))
  if (outputs.grouping !== undefined) {
    const groups = runOf(meters.groups)
    runs.push({ ...groups, rows: meters.groupCount() })
    if (outputs.grouping.having !== undefined) runs.push(passed(groups.rows))
  }
  const ordered = runOf(meters.order)
  if (outputs.order.length > 0 && !isOrderedByScan) runs.push(ordered)
  runs.push(passed(ordered.rows))
  if (query.distinct === true) runs.push(runOf(meters.distinct))
  if (query.limit !== undefined) runs.push(passed(pageRows))
  return runs
}

function runOf(meter: StageMeter | undefined, bound?: BoundTable): StageRun {
  const { rows = 0, read = 0, heldBytesMax: heldBytes = 0 } = meter ?? {}
  return { read: bound?.policy === undefined ? read : rows, rows, heldBytes }
}

function describeAccess(access: TableAccess, table: Table): string {
  const { path } = access
  const filtered = access.isFiltered ? ', filtered' : ''
  if (path.kind === 'range') return `${table.name} ${describeRange(path, table)}${filtered}`
  const ranges = path.kind === 'intersection' ? path.sides : path.branches
  const sign = path.kind === 'intersection' ? ' and ' : ' or '
  return `${table.name} ${ranges.map(range => describeRange(range, table)).join(sign)}${filtered}`
}

function describeRange({ source, parts, reverse, isCovering }: RangePath, table: Table): string {
  const columns = source.columns.slice(0, parts.length).map(position => table.columns[position]!.name)
  const by = columns.length === 0 ? '' : ` by ${columns.join(', ')}`
  const name = source.index === undefined ? 'primary key' : `index ${source.index.name}`
  return `${name}${by}${reverse ? ', reverse' : ''}${isCovering ? ', covering' : ''}`
}
