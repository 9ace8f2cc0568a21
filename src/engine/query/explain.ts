import type { QueryPlan } from '../../model/index.ts'
import type { Table } from '../tables/index.ts'
import type { AccessPath, RangePath } from './access-path.ts'
import type { Plan } from './plan.ts'
import type { TableAccess } from './table-access.ts'

/** How a plan runs, for people. */
export function describePlan(plan: Plan): QueryPlan {
  const { access, joins, isOrderedByScan, isBounded, tables } = plan
  const indexes = new Set(indexNames(access.path))
  for (const join of joins) for (const name of indexNames(join.access.path)) indexes.add(name)
  return {
    path: joins.length > 0 ? 'join' : pathName(access),
    indexes: [...indexes],
    stages: stagesOf(plan, tables[0]!.table),
    isOrderedByScan,
    isBounded,
  }
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

function stagesOf({ query, joins, outputs, filter, access, isOrderedByScan }: Plan, table: Table): string[] {
  const stages = [`scan ${describeAccess(access, table)}`]
  for (const { type, kind, bound, isFiltered, access: right } of joins) {
    const more = isFiltered ? ', more conditions' : ''
    stages.push(`${type} join ${bound.alias} (${kind}${more}): ${describeAccess(right, bound.table)}`)
  }
  if (filter !== undefined) stages.push('filter joined rows')
  if (outputs.grouping !== undefined) {
    const { keys, aggregates, having } = outputs.grouping
    stages.push(`aggregate: ${aggregates.length} over ${keys.length === 0 ? 'all rows' : query.groupBy!.join(', ')}`)
    if (having !== undefined) stages.push('having')
  }
  if (outputs.order.length > 0 && !isOrderedByScan) {
    const by = query.orderBy!.map(({ column, direction = 'asc' }) => `${column} ${direction}`).join(', ')
    stages.push(query.distinct === true ? `sort by ${by}` : `top-k by ${by}`)
  }
  stages.push(`project ${outputs.columns.map(({ name }) => name).join(', ')}`)
  if (query.distinct === true) stages.push('distinct')
  if (query.limit !== undefined)
    stages.push(`limit ${query.limit}${query.offset === undefined ? '' : ` offset ${query.offset}`}`)
  return stages
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
