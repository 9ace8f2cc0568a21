import {
  bytesToHex,
  compareColumnValues,
  DEFAULT_SCOPE,
  narrow,
  rangeDigest,
  type ColumnType,
  type Expr,
  type ReadSet,
  type Row,
  type Value,
} from '../../src/encoding/index.ts'
import { CellList, compileCondition, compileScalar, InvalidExpression } from '../../src/engine/conditions/index.ts'
import {
  joinConditions,
  QUERY_LIMITS,
  QuorateError,
  type AggregateData,
  type QueryData,
  type QueryPlan,
  type QueryResult,
  type ReadRequest,
  type ReadResult,
} from '../../src/model/index.ts'
import { Refusal } from './reference-refusal.ts'
import type { ReferenceState } from './reference-state.ts'
import { keyOf, rowsWhere, type ReferenceTable, type TablePermission } from './reference-tables.ts'

type TableRead = Extract<ReadRequest, { type: 'query' | 'explain' | 'rows' | 'tables' }>
type Allows = (wanted: TablePermission) => boolean

interface Column {
  name: string
  type: ColumnType
}

export function isTableRead(request: ReadRequest): request is TableRead {
  return ['query', 'explain', 'rows', 'tables'].includes(request.type)
}

/** A cursor is seq and offset: the state that its page belongs to, and where in it. */
export function cursorSeq(cursor: string | undefined): number | undefined {
  if (cursor === undefined) return undefined
  const match = /^(\d+):\d+$/.exec(cursor)
  if (match === null) throw new QuorateError('invalid_cursor', cursor)
  return Number(match[1])
}

/** Reads of tables in the most obvious way. Every query is a whole scan; its read set is every table that it names, whole. */
export function answerTableRead(state: ReferenceState, request: TableRead, caller: string, allows: Allows): ReadResult {
  switch (request.type) {
    case 'tables':
      return readTables(state, request, allows)
    case 'rows':
      return readRows(state, request, caller, allows)
    case 'explain':
      runQuery(state, request.query, caller, allows)
      return {
        type: 'explain',
        plan: planOf(state),
      }
    default: {
      const tables: ReferenceTable[] = []
      const result = runQuery(state, request.query, caller, allows, tables)
      return {
        type: 'query',
        result,
        ...(request.readSet === true && { readSet: wholeTables(tables, caller, allows) }),
        ...(request.diagnostics === true && {
          diagnostics: {
            plan: planOf(state),
            stages: [{ read: result.examined, rows: result.rows.length, heldBytes: 0 }],
            pageBytes: 100 * result.rows.length,
          },
        }),
      }
    }
  }
}

function planOf({ seq }: ReferenceState): QueryPlan {
  return {
    path: 'fullScan',
    indexes: [],
    stages: [{ kind: 'scan', text: 'scan' }],
    isOrderedByScan: false,
    isBounded: false,
    seq,
    bounds: { pageRows: QUERY_LIMITS.defaultPageRows, pageBytes: 2 ** 20, heldBytes: 2 ** 26 },
  }
}

function readTables(
  state: ReferenceState,
  request: Extract<TableRead, { type: 'tables' }>,
  allows: Allows,
): ReadResult {
  const seesRows = (table: ReferenceTable): boolean => {
    const place = { project: table.project, scope: table.scope }
    if (allows({ type: 'tableDdl', ...place })) return true
    return allows({ type: 'tableRead', ...place, table: table.name }) && policyFor(table, allows) === undefined
  }
  state.records(request.project, request.scope)
  if (request.table !== undefined) state.tables.table({ ...request, table: request.table })
  const tables = state.tables
    .all(request.project, request.scope)
    .filter(({ name }) => request.table === undefined || name === request.table)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  return {
    type: 'tables',
    tables: tables.map(table => ({
      name: table.name,
      id: table.id,
      owner: table.owner,
      definition: table.definition,
      ...(table.policy !== undefined && { readPolicy: table.policy }),
      ...(seesRows(table) && { rows: table.rows.size }),
      indexes: (table.definition.indexes ?? []).map(index => ({ name: index.name, isReady: true })),
      failures: [],
    })),
  }
}

function requireRead(table: ReferenceTable, allows: Allows): void {
  const { project, scope, name } = table
  if (!allows({ type: 'tableRead', project, scope, table: name })) throw new Refusal('permission_denied', name)
}

export function policyFor({ project, scope, name, policy }: ReferenceTable, allows: Allows): Expr | undefined {
  return allows({ type: 'policyBypass', project, scope, table: name }) ? undefined : policy
}

function readRows(
  state: ReferenceState,
  request: Extract<TableRead, { type: 'rows' }>,
  caller: string,
  allows: Allows,
): ReadResult {
  state.records(request.project, request.scope)
  const table = state.tables.table(request)
  requireRead(table, allows)
  const columns = table.definition.columns.map(({ name }) => name)
  const visible = new Map(
    alive(state, rowsWhere(table, undefined, policyFor(table, allows), caller)).map(row => [bytesToHex(row.key), row]),
  )
  const keys = request.keys.map(key => keyOf(table, key))
  const { project, scope } = request
  return {
    type: 'rows',
    columns,
    types: table.definition.columns.map(({ type }) => type),
    rows: keys.map(key => {
      const row = visible.get(bytesToHex(key))
      if (row === undefined) return undefined
      const { cells, seq, createdSeq, expiresAtMicros } = row
      return { cells: columns.map(name => cells[name] ?? null), seq, createdSeq, expiresAtMicros }
    }),
    ...(request.readSet === true && {
      readSet: {
        points: keys.map(key => ({
          project,
          scope,
          table: request.table,
          key,
          seq: table.rows.get(bytesToHex(key))?.seq ?? 0,
        })),
      },
    }),
  }
}

export function alive<T extends { expiresAtMicros: number | undefined }>(state: ReferenceState, rows: T[]): T[] {
  return rows.filter(row => row.expiresAtMicros === undefined || row.expiresAtMicros > state.timeMicros)
}

/** What the caller sees of whole tables. */
function wholeTables(tables: readonly ReferenceTable[], caller: string, allows: Allows): ReadSet {
  return {
    ranges: tables.map(table => ({
      project: table.project,
      scope: table.scope,
      table: table.name,
      limit: 0,
      digest: rangeDigest(rowsWhere(table, undefined, policyFor(table, allows), caller)),
    })),
  }
}

function runQuery(
  state: ReferenceState,
  query: QueryData,
  caller: string,
  allows: Allows,
  tables: ReferenceTable[] = [],
): QueryResult {
  const { project, scope = DEFAULT_SCOPE, joins = [] } = query
  state.records(project, scope)
  const open = (name: string): ReferenceTable => {
    const isGlobal = name.startsWith('_global.')
    const target = isGlobal ? { project: '_global', table: name.slice(8) } : { project, scope, table: name }
    const table = state.tables.table(target)
    requireRead(table, allows)
    tables.push(table)
    return table
  }
  const rowsOf = (table: ReferenceTable): Row[] =>
    alive(state, rowsWhere(table, undefined, policyFor(table, allows), caller)).map(({ cells }) => cells)
  const base = open(query.from)
  const isBounded = query.where !== undefined || query.limit !== undefined || query.aggregates !== undefined
  if (!isBounded && query.allowFullScan !== true) throw new Refusal('invalid_query', 'nothing bounds the query')
  const alias = query.as ?? query.from
  const prefixed = (name: string, row: Row): Row =>
    Object.fromEntries(Object.entries(row).map(([column, cell]) => [`${name}.${column}`, cell]))
  let columns: Column[] = base.definition.columns.map(({ name, type }) => ({
    name: joins.length > 0 ? `${alias}.${name}` : name,
    type,
  }))
  let rows = rowsOf(base).map(row => (joins.length > 0 ? prefixed(alias, row) : row))
  for (const join of joins) {
    const table = open(join.table)
    const name = join.as ?? join.table
    const right = rowsOf(table).map(row => prefixed(name, row))
    const rightColumns = table.definition.columns.map(({ name: column, type }) => ({ name: `${name}.${column}`, type }))
    if (join.type !== 'cross' && joinConditions(join).length === 0) throw new Refusal('invalid_query', 'no condition')
    const joinedColumns = columns.concat(rightColumns)
    const fits = (a: Row, b: Row): boolean =>
      joinConditions(join).every(expr => filtered([{ ...a, ...b }], joinedColumns, expr, caller).length === 1)
    const nulls = (of: readonly Column[]): Row => Object.fromEntries(of.map(({ name }) => [name, null]))
    const joined = rows.flatMap(a => right.filter(b => fits(a, b)).map(b => ({ ...a, ...b })))
    if (join.type === 'left' || join.type === 'full') {
      joined.push(...rows.filter(a => !right.some(b => fits(a, b))).map(a => ({ ...a, ...nulls(rightColumns) })))
    }
    if (join.type === 'right' || join.type === 'full') {
      joined.push(...right.filter(b => !rows.some(a => fits(a, b))).map(b => ({ ...nulls(columns), ...b })))
    }
    columns = joinedColumns
    rows = joined
  }
  if (query.where !== undefined) rows = filtered(rows, columns, query.where, caller)
  return output(state, query, columns, rows, caller)
}

function namesOf(columns: readonly Column[]): {
  position(name: string): number | undefined
  columns: readonly Column[]
} {
  return {
    columns,
    position: name => {
      const at = columns.findIndex(column => column.name === name)
      return at < 0 ? undefined : at
    },
  }
}

function filtered(rows: readonly Row[], columns: readonly Column[], expr: Expr, caller: string): Row[] {
  const condition = compileCondition(expr, namesOf(columns), caller)
  if (condition instanceof InvalidExpression) throw new Refusal(condition.code, condition.message)
  return rows.filter(row => condition(new CellList(columns.map(({ name }) => row[name] ?? null))) === true)
}

function output(
  state: ReferenceState,
  query: QueryData,
  columns: readonly Column[],
  source: Row[],
  caller: string,
): QueryResult {
  let names: string[]
  let rows = source
  if (query.groupBy !== undefined || query.aggregates !== undefined) {
    const { groupBy = [], aggregates = [] } = query
    names = [...groupBy, ...aggregates.map(aggregateName)]
    rows = grouped(rows, groupBy, aggregates)
    if (query.having !== undefined) {
      const typed = names.map((name): Column => {
        const aggregate = aggregates.find(aggregate => aggregateName(aggregate) === name)
        const column = columns.find(column => column.name === (aggregate?.column ?? name))
        const isCount = aggregate?.function === 'count' || aggregate?.function === 'countDistinct'
        return { name, type: isCount ? 'u64' : aggregate?.function === 'sum' ? 'i256' : (column?.type ?? 'integer') }
      })
      rows = filtered(rows, typed, query.having, caller)
    }
  } else {
    names = []
    for (const item of query.select ?? columns.map(({ name }) => name)) {
      const [name, column] =
        typeof item === 'string' ? [item, item] : [item.as, 'column' in item ? item.column : undefined]
      names.push(name)
      if (column !== undefined && !columns.some(other => other.name === column))
        throw new Refusal('column_not_found', column)
      if (column === name) continue
      if (column !== undefined) rows = rows.map(row => ({ ...row, [name]: row[column]! }))
      else if (typeof item !== 'string' && 'compute' in item) {
        const scalar = compileScalar(item.compute, namesOf(columns))
        if (scalar instanceof InvalidExpression) throw new Refusal(scalar.code, scalar.message)
        rows = rows.map(row => ({ ...row, [name]: scalar.scalar(new CellList(columns.map(c => row[c.name] ?? null))) }))
      }
    }
  }
  for (const { column, direction } of [...(query.orderBy ?? [])].reverse()) {
    if (![...names, ...columns.map(({ name }) => name)].includes(column)) throw new Refusal('column_not_found', column)
    const sign = direction === 'desc' ? -1 : 1
    rows = [...rows].sort((a, b) => sign * compareColumnValues(a[column] ?? null, b[column] ?? null))
  }
  let cells = rows.map(row => names.map(name => row[name] ?? null))
  if (query.distinct === true) {
    const seen = new Set<string>()
    cells = cells.filter(row => {
      const id = JSON.stringify(row.map(cell => (typeof cell === 'object' ? cell : `${typeof cell} ${String(cell)}`)))
      return !seen.has(id) && seen.add(id)
    })
  }
  const isPaged = query.aggregates === undefined && query.groupBy === undefined && query.distinct !== true
  const from = query.cursor === undefined ? (query.offset ?? 0) : Number(query.cursor.split(':')[1])
  const limit = query.limit ?? (isPaged ? QUERY_LIMITS.defaultPageRows : Infinity)
  const page = cells.slice(from, from + limit)
  const hasMore = isPaged && cells.length > from + limit
  return {
    columns: names,
    rows: page,
    ...(hasMore && { cursor: `${state.seq}:${from + limit}` }),
    examined: source.length,
    seq: state.seq,
  }
}

function aggregateName({ function: name, column, as }: AggregateData): string {
  return as ?? (column === undefined ? name : `${name}_${column}`)
}

function grouped(rows: readonly Row[], groupBy: readonly string[], aggregates: readonly AggregateData[]): Row[] {
  const groups = new Map<string, Row[]>(groupBy.length === 0 ? [['', []]] : [])
  for (const row of rows) {
    const id = groupBy.map(name => `${typeof row[name]} ${String(row[name])}`).join('\u0000')
    const group = groups.get(id)
    if (group === undefined) groups.set(id, [row])
    else group.push(row)
  }
  return [...groups.values()].map(group => ({
    ...Object.fromEntries(groupBy.map(name => [name, group[0]![name]!])),
    ...Object.fromEntries(aggregates.map(aggregate => [aggregateName(aggregate), aggregated(group, aggregate)])),
  }))
}

function aggregated(rows: readonly Row[], { function: name, column }: AggregateData): Value {
  if (column === undefined) return rows.length
  const cells = rows.map(row => row[column] ?? null).filter(cell => cell !== null)
  if (name === 'count') return cells.length
  if (name === 'countDistinct') return new Set(cells.map(String)).size
  if (cells.length === 0) return null
  if (name === 'min' || name === 'max') {
    return cells.reduce((best, cell) => (compareColumnValues(cell, best) * (name === 'min' ? 1 : -1) < 0 ? cell : best))
  }
  const isExact = cells.every(cell => typeof cell === 'bigint' || Number.isSafeInteger(cell))
  const sum = isExact ? cells.reduce<bigint>((total, cell) => total + BigInt(cell as number), 0n) : undefined
  const float = cells.reduce<number>((total, cell) => total + Number(cell), 0)
  return name === 'avg' ? float / cells.length : sum === undefined ? float : narrow(sum)
}
