import { bytesToHex, compareColumnValues, equalBytes, type Value } from '../../src/encoding/index.ts'
import { refusalError, type CoreWatchSelector, type RowChangeData, type WatchedRows } from '../../src/model/index.ts'
import { alive, policyFor } from './reference-query.ts'
import { Refusal } from './reference-refusal.ts'
import type { ReferenceState } from './reference-state.ts'
import { rowsWhere } from './reference-tables.ts'
import type { ReferenceRow, ReferenceTable, TablePermission } from './reference-tables.ts'

type RowsSelector = CoreWatchSelector & { table: string }

/** The rows of one state as the caller sees them, by key. */
interface Seen {
  table: ReferenceTable
  policy: unknown
  rows: Map<string, ReferenceRow>
}

function seen(state: ReferenceState, selector: RowsSelector, caller: string): Seen {
  const allows = (wanted: TablePermission): boolean => state.allowsTable(caller, wanted)
  state.records(selector.project, selector.scope)
  const table = state.tables.table(selector)
  const prefix = Object.entries(selector.key ?? {})
  const leading = table.definition.primaryKey.slice(0, prefix.length)
  if (!leading.every(column => prefix.some(([name]) => name === column))) throw new Refusal('invalid_argument')
  const policy = policyFor(table, allows)
  const visible = alive(state, rowsWhere(table, undefined, policy, caller)).filter(({ cells }) =>
    prefix.every(([column, cell]) => compareColumnValues(cells[column] ?? null, cell) === 0),
  )
  return { table, policy, rows: new Map(visible.map(row => [bytesToHex(row.key), row])) }
}

export function seenRows(state: ReferenceState, selector: RowsSelector, caller: string): Map<string, ReferenceRow> {
  return seen(state, selector, caller).rows
}

/** What a watch of rows is told between one state and the next: the difference of what the caller sees. */
export function watchedRows(
  before: ReferenceState,
  after: ReferenceState,
  selector: RowsSelector,
  caller: string,
): WatchedRows | 'reset' {
  const now = seen(after, selector, caller)
  const then = seen(before, selector, caller)
  if (then.policy !== now.policy || then.table.id !== now.table.id) return 'reset'
  const columns = now.table.definition.columns.map(({ name }) => name)
  const keyColumns = now.table.definition.primaryKey
  const cellsOf = ({ cells }: ReferenceRow, names: readonly string[]): Value[] => names.map(name => cells[name] ?? null)
  const changes: RowChangeData[] = []
  for (const [key, row] of now.rows) {
    if (then.rows.get(key)?.seq !== row.seq) changes.push({ kind: 'put', cells: cellsOf(row, columns) })
  }
  for (const [key, row] of then.rows) {
    if (now.rows.has(key)) continue
    const isDue = row.expiresAtMicros !== undefined && row.expiresAtMicros <= after.timeMicros
    changes.push({ kind: isDue ? 'expire' : 'delete', cells: cellsOf(row, keyColumns) })
  }
  return { columns, types: now.table.definition.columns.map(({ type }) => type), keyColumns, changes }
}

/** @throws QuorateError where no such watch can begin */
export function requireWatchedTable(state: ReferenceState, selector: RowsSelector, caller: string): void {
  try {
    const { project, scope, name: table } = seen(state, selector, caller).table
    if (!state.allowsTable(caller, { type: 'tableRead', project, scope, table })) throw new Refusal('permission_denied')
  } catch (error) {
    throw asError(error)
  }
}

export function asError(error: unknown): unknown {
  return error instanceof Refusal ? refusalError({ code: error.code, message: error.message }) : error
}

export function isWatchOfRows(selector: CoreWatchSelector): selector is RowsSelector {
  return selector.table !== undefined && equalBytes(selector.prefix, new Uint8Array(0))
}
