import type { ColumnType } from '../../encoding/index.ts'
import type { AggregateData, QueryData, SelectItem } from '../../model/index.ts'
import { classOf, compileCondition, compileScalar } from '../conditions/index.ts'
import type { ColumnNames, Condition, Scalar } from '../conditions/index.ts'
import { QuorateError } from '../../model/index.ts'
import type { AggregateSpec } from './groups.ts'
import { GivenNames, invalidQuery, scalarColumns, valid } from './names.ts'
import type { BoundTable } from './names.ts'

export interface OutputColumn {
  readonly name: string
  readonly read: Scalar
  readonly type: ColumnType
  /** Of a column as it stands: its position among the columns that it was chosen from. */
  readonly position: number | undefined
}

export interface OrderColumn {
  readonly read: Scalar
  readonly isDescending: boolean
  readonly position: number | undefined
}

export interface Grouping {
  readonly keys: readonly Scalar[]
  readonly aggregates: readonly AggregateSpec[]
  readonly having: Condition | undefined
}

/** What a query makes of its rows. */
export interface Outputs {
  readonly columns: readonly OutputColumn[]
  readonly order: readonly OrderColumn[]
  readonly grouping: Grouping | undefined
  /** What `columns` are called, what they are, and how they are read. */
  readonly names: readonly string[]
  readonly types: readonly ColumnType[]
  readonly reads: readonly Scalar[]
  /** Names of the columns of the tables that all this rests on. */
  readonly needs: ReadonlySet<string>
}

/** @throws QuorateError `column_not_found`, `type_mismatch`, `invalid_query` */
export function planOutputs(
  query: QueryData,
  names: ColumnNames,
  tables: readonly BoundTable[],
  caller: string,
): Outputs {
  const reads = new Set<string>()
  const isGrouped = query.groupBy !== undefined || (query.aggregates?.length ?? 0) > 0
  if (!isGrouped && query.having !== undefined) throw invalidQuery('having needs groups or aggregates')
  const grouped = isGrouped ? planGroups(query, names, caller, reads) : undefined
  const from = grouped?.names ?? names
  // Above groups the names are those of the group: what these read of the tables is noted already.
  const noted = grouped === undefined ? reads : new Set<string>()
  const columns = selectItems(query, tables, grouped).map(item => outputOf(item, from, noted))
  requireDistinctNames(columns.map(({ name }) => name))
  const order = (query.orderBy ?? []).map(item => orderOf(item.column, item.direction === 'desc', columns, from, noted))
  if (query.distinct === true) requireSelected(query, columns, order)
  return {
    columns,
    order,
    grouping: grouped?.grouping,
    names: columns.map(({ name }) => name),
    types: columns.map(({ type }) => type),
    reads: columns.map(({ read }) => read),
    needs: reads,
  }
}

interface Grouped {
  readonly grouping: Grouping
  readonly names: GivenNames
  readonly keyNames: readonly string[]
  readonly aggregateNames: readonly string[]
}

function planGroups(query: QueryData, names: ColumnNames, caller: string, reads: Set<string>): Grouped {
  const keyNames = query.groupBy ?? []
  const keys = keyNames.map(name => columnOf(name, names, reads))
  const aggregates = (query.aggregates ?? []).map(aggregate => aggregateOf(aggregate, names, reads))
  const given = [...keys, ...aggregates].map(({ name, type }) => ({ name, type }))
  requireDistinctNames(given.map(({ name }) => name))
  const groupNames = new GivenNames(given)
  const { having } = query
  return {
    grouping: {
      keys: keys.map(({ read }) => read),
      aggregates: aggregates.map(({ spec }) => spec),
      having: having === undefined ? undefined : valid(compileCondition(having, groupNames, caller)),
    },
    names: groupNames,
    keyNames,
    aggregateNames: aggregates.map(({ name }) => name),
  }
}

function aggregateOf(
  aggregate: AggregateData,
  names: ColumnNames,
  reads: Set<string>,
): { name: string; type: ColumnType; spec: AggregateSpec } {
  const { function: fn, column, as } = aggregate
  if (column === undefined) {
    if (fn !== 'count') throw invalidQuery(`${fn} needs a column`)
    return { name: as ?? 'count', type: 'u64', spec: { function: fn, read: undefined, type: 'u64' } }
  }
  const { read, type } = columnOf(column, names, reads)
  if ((fn === 'sum' || fn === 'avg') && classOf(type) !== 'number') {
    throw new QuorateError('type_mismatch', `${fn} of column ${column}, which is no number`)
  }
  const resultType = fn === 'count' || fn === 'countDistinct' ? 'u64' : fn === 'avg' ? 'float' : type
  return { name: as ?? `${fn}_${column}`, type: resultType, spec: { function: fn, read, type } }
}

/** The items of the result; of groups, the chosen ones (or the group columns) and then what aggregates were not chosen. */
function selectItems(
  query: QueryData,
  tables: readonly BoundTable[],
  grouped: Grouped | undefined,
): readonly SelectItem[] {
  if (grouped === undefined) return query.select ?? allColumns(tables)
  const chosen = query.select ?? grouped.keyNames
  const names = new Set(chosen.map(item => (typeof item === 'string' ? item : 'column' in item ? item.column : '')))
  return [...chosen, ...grouped.aggregateNames.filter(name => !names.has(name))]
}

function allColumns(tables: readonly BoundTable[]): string[] {
  const isJoined = tables.length > 1
  return tables.flatMap(({ table, alias }) => table.columns.map(({ name }) => (isJoined ? `${alias}.${name}` : name)))
}

function outputOf(item: SelectItem, names: ColumnNames, reads: Set<string>): OutputColumn {
  if (typeof item === 'string') return columnOf(item, names, reads)
  if ('column' in item) return { ...columnOf(item.column, names, reads), name: item.as }
  for (const name of scalarColumns(item.compute)) reads.add(name)
  const { scalar, type } = valid(compileScalar(item.compute, names))
  return { name: item.as, position: undefined, type, read: scalar }
}

function columnOf(name: string, names: ColumnNames, reads: Set<string>): OutputColumn {
  const position = names.position(name)
  if (position === undefined) throw new QuorateError('column_not_found', `there is no column ${name}`)
  reads.add(name)
  return { name, position, type: names.columns[position]!.type, read: row => row.cell(position) }
}

/** By the name that the result gives, or else by a column that it may not have. */
function orderOf(
  name: string,
  isDescending: boolean,
  columns: readonly OutputColumn[],
  names: ColumnNames,
  reads: Set<string>,
): OrderColumn {
  const { read, position } = columns.find(column => column.name === name) ?? columnOf(name, names, reads)
  return { read, position, isDescending }
}

function requireDistinctNames(names: readonly string[]): void {
  const seen = new Set<string>()
  for (const name of names) {
    if (seen.has(name)) throw invalidQuery(`two columns of the result are called ${name}`)
    seen.add(name)
  }
}

/** Rows that are one row of the result must have one place in its order. */
function requireSelected(query: QueryData, columns: readonly OutputColumn[], order: readonly OrderColumn[]): void {
  order.forEach(({ read, position }, i) => {
    if (columns.some(column => column.read === read || (position !== undefined && column.position === position))) return
    throw invalidQuery(`distinct rows cannot be ordered by ${query.orderBy![i]!.column}, which is not selected`)
  })
}
