import { mapColumns } from '../encoding/index.ts'
import type { Expr, PointRead, RangeRead, ReadSet, Row } from '../encoding/index.ts'
import { QuorateError } from '../model/index.ts'
import type { ReadRequest, ReadResult, RowEntryData, TableDescription } from '../model/index.ts'
import type { CallerAccess, TableUse } from './access/index.ts'
import type { Catalog } from './catalog/index.ts'
import type { ClusterState } from './cluster-state.ts'
import { compileCondition, InvalidExpression } from './conditions/index.ts'
import type { Condition } from './conditions/index.ts'
import { isExpired, requireScope } from './kv/index.ts'
import { isMutant } from './mutants.ts'
import { describePlan, planQuery, QueryRun, ReadCapture } from './query/index.ts'
import type { QueryContext } from './query/index.ts'
import type { RecordReader } from './record-store.ts'
import { countedRows, describeCount, diagnoseCount } from './row-count.ts'
import { keyOfRow } from './rows/index.ts'
import { describeTable } from './table-descriptions.ts'
import { rowsPrefix, RowView } from './tables/index.ts'
import type { Table } from './tables/index.ts'

/** What reads of tables need besides their request. */
export interface TableReadContext {
  readonly reader: RecordReader
  readonly state: ClusterState
  /** Of the newest state: read policies are never read from the past. */
  readonly newestCatalog: () => Catalog
  readonly access: CallerAccess
  readonly caller: string
  readonly seq: number
  /** Rows that expire at this leader time or before are gone. */
  readonly timeMicros: number
  readonly signCursor: (bytes: Uint8Array) => Uint8Array
}

/** A read under way: the result, or undefined where it has worked for long enough and goes on when it is called again. */
export type ReadStep = () => ReadResult | undefined

/** Rows of one step. */
const STEP_ROWS = 1_024

/** @throws QuorateError of `planQuery` and `QueryRun` */
export function prepareQuery(context: TableReadContext, request: Extract<ReadRequest, { type: 'query' }>): ReadStep {
  const capture = request.readSet === true ? new ReadCapture() : undefined
  const queryContext = queryContextOf(context)
  const plan = planQuery(request.query, queryContext)
  const isMetered = request.diagnostics === true
  const run = new QueryRun(plan, queryContext, capture, isMetered)
  // A transaction has to find every row again, so it has to see them.
  let mayCount = capture === undefined
  return () => {
    const counted = mayCount ? countedRows(plan, queryContext) : undefined
    mayCount = false
    const result = counted ?? run.step()
    if (result === undefined) return undefined
    const diagnostics = isMetered
      ? counted === undefined
        ? run.diagnostics
        : diagnoseCount(plan, queryContext, counted)
      : undefined
    return {
      type: 'query',
      result,
      ...(capture !== undefined && { readSet: readSetOf(context.state.catalog, capture) }),
      ...(diagnostics !== undefined && { diagnostics }),
    }
  }
}

/** @throws QuorateError of `planQuery` */
export function explainQuery(
  context: TableReadContext,
  request: Extract<ReadRequest, { type: 'explain' }>,
): ReadResult {
  const queryContext = queryContextOf(context)
  const plan = planQuery(request.query, queryContext)
  return { type: 'explain', plan: describeCount(plan, queryContext) ?? describePlan(plan, queryContext) }
}

function queryContextOf(context: TableReadContext): QueryContext {
  const { reader, state, caller, seq, timeMicros, signCursor } = context
  const { queryRowsMax, queryBytesMax } = state.settings
  return {
    reader,
    timeMicros,
    seq,
    caller,
    signCursor,
    limits: { scanRowsMax: queryRowsMax, bytesMax: queryBytesMax },
    table: (project, scope, name) => requireTable(state.catalog, project, scope, name),
    mayRead: table => mayUse(context, 'tableRead', table),
    policyOf: table => policyOf(context, table),
    rowCount: table => reader.usage?.(rowsPrefix(table.id)).records,
  }
}

function mayUse({ access }: TableReadContext, use: TableUse, { parts }: Table): boolean {
  return access.mayUseTable(use, parts.projectId, parts.scopeId, parts.id)
}

/**
 * The newest policy of a table, whatever state is read: rows of the past are no more visible than those of today. Its columns are known
 * again by their ids; one that the past does not have makes the read fail.
 */
function policyOf(context: TableReadContext, table: Table): Expr | undefined {
  if (mayUse(context, 'policyBypass', table)) return undefined
  const newest = isMutant('policy_of_the_view') ? table : (context.newestCatalog().tableById(table.id) ?? table)
  const { readPolicy } = newest.parts
  if (readPolicy === undefined || newest === table) return readPolicy
  return mapColumns(readPolicy, name => {
    const position = table.positionOfId(newest.columns[newest.position(name)!]!.id)
    if (position !== undefined) return table.columns[position]!.name
    throw new QuorateError(
      'column_not_found',
      `${table.name} has no column ${name} yet, on which its read policy rests`,
    )
  })
}

/** Whether the caller has anything to do with the table. */
export function maySeeTable(context: TableReadContext, table: Table): boolean {
  const { projectId, scopeId } = table.parts
  if (context.access.mayChangeTables(projectId, scopeId)) return true
  return mayUse(context, 'tableRead', table) || mayUse(context, 'tableWrite', table)
}

/** How many rows there are, and which of them broke a new rule, tells of rows that the caller may not see. */
export function maySeeRows(context: TableReadContext, table: Table): boolean {
  const { projectId, scopeId } = table.parts
  if (context.access.mayChangeTables(projectId, scopeId)) return true
  return mayUse(context, 'tableRead', table) && !isGoverned(context, table)
}

/** Whether the newest policy of the table hides rows from the caller. */
function isGoverned(context: TableReadContext, table: Table): boolean {
  const newest = context.newestCatalog().tableById(table.id) ?? table
  return newest.parts.readPolicy !== undefined && !mayUse(context, 'policyBypass', table)
}

/** @throws QuorateError `project_not_found`, `scope_not_found`, `table_not_found` */
function requireTable(catalog: Catalog, project: string, scope: string, name: string): Table {
  const table = catalog.table(requireScope(catalog, project, scope).id, name)
  if (table === undefined) throw new QuorateError('table_not_found', `${project}/${scope} has no table ${name}`)
  return table
}

/** What apply must find again, with the names that things have in this state. */
function readSetOf(catalog: Catalog, capture: ReadCapture): ReadSet {
  const targetOf = ({ parts }: Table): { project: string; scope: string; table: string } => ({
    project: catalog.projectById(parts.projectId)!.name,
    scope: catalog.scopeById(parts.scopeId)!.name,
    table: parts.name,
  })
  return {
    points: capture.points.map(({ table, key, seq }): PointRead => ({ ...targetOf(table), key, seq })),
    ranges: capture.ranges.map(({ table, index, start, end, reverse, limit, digest }): RangeRead => ({
      ...targetOf(table),
      ...(index !== undefined && { index: index.name }),
      ...(start !== undefined && { start }),
      ...(end !== undefined && { end }),
      reverse,
      limit,
      digest,
    })),
  }
}

/** @throws QuorateError `project_not_found`, `scope_not_found`, `table_not_found`, `permission_denied`, and what is wrong with a key */
export function prepareRows(context: TableReadContext, request: Extract<ReadRequest, { type: 'rows' }>): ReadStep {
  const { reader, state, timeMicros, caller } = context
  const table = requireTable(state.catalog, request.project, request.scope, request.table)
  if (!mayUse(context, 'tableRead', table)) throw permissionDenied(request.table)
  const expr = policyOf(context, table)
  const policy = expr === undefined ? undefined : conditionOf(expr, table, caller)
  const capture = request.readSet === true ? new ReadCapture() : undefined
  const keys = request.keys.map(key => wholeKey(table, key, state))
  const rows: (RowEntryData | undefined)[] = []
  const view = new RowView(table)
  const read = (key: Uint8Array): RowEntryData | undefined => {
    const record = reader.get(key)
    if (record === undefined || isExpired(record, timeMicros)) return undefined
    view.open(key, record.value)
    if (policy !== undefined && policy(view) !== true) return undefined
    const { versionSeq: seq, createdSeq, expiresAtMicros } = record
    return {
      cells: view.cells(),
      seq,
      createdSeq,
      expiresAtMicros: expiresAtMicros === 0 ? undefined : expiresAtMicros,
    }
  }
  return () => {
    for (let left = STEP_ROWS; rows.length < keys.length; left--) {
      if (left === 0) return undefined
      const key = keys[rows.length]!
      const row = read(key)
      capture?.point(table, key, row?.seq ?? 0)
      rows.push(row)
    }
    return {
      type: 'rows',
      columns: table.columns.map(({ name }) => name),
      types: table.columns.map(({ type }) => type),
      rows,
      ...(capture !== undefined && { readSet: readSetOf(state.catalog, capture) }),
    }
  }
}

function conditionOf(expr: Parameters<typeof compileCondition>[0], table: Table, caller: string): Condition {
  const condition = compileCondition(expr, table, caller)
  if (condition instanceof InvalidExpression) throw new QuorateError(condition.code, condition.message)
  return condition
}

function wholeKey(table: Table, key: Row, { settings }: ClusterState): Uint8Array {
  const whole = keyOfRow(table, key, settings)
  if (whole instanceof Uint8Array) return whole
  throw new QuorateError(whole.code, whole.message)
}

function permissionDenied(table: string): QuorateError {
  return new QuorateError('permission_denied', `no permission to read table ${table}`)
}

/**
 * The tables of a scope that the caller may use in some way, or the one that is asked for.
 * @throws QuorateError `project_not_found`, `scope_not_found`, `table_not_found`, `permission_denied`
 */
export function describeTables(
  context: TableReadContext,
  request: Extract<ReadRequest, { type: 'tables' }>,
): ReadResult {
  const { state, reader } = context
  const { catalog } = state
  const { project, scope, table: name } = request
  const { id } = requireScope(catalog, project, scope)
  const describe = (table: Table): TableDescription =>
    describeTable(
      catalog,
      table,
      maySeeRows(context, table) ? (reader.usage?.(rowsPrefix(table.id)).records ?? 0) : undefined,
    )
  if (name === undefined)
    return {
      type: 'tables',
      tables: catalog
        .tables(id)
        .filter(table => maySeeTable(context, table))
        .map(describe),
    }
  const table = requireTable(catalog, project, scope, name)
  if (!maySeeTable(context, table)) throw permissionDenied(name)
  return { type: 'tables', tables: [describe(table)] }
}
