import type { Value } from '../../../encoding/index.ts'
import { formatToken, parseToken } from '../../consistency.ts'
import type { CoreWatchEvent, RowChangeData } from '../../database.ts'
import { QuorateError } from '../../errors.ts'
import type { KeyCells, RowChange, TableWatchEvent, TableWatchOptions } from '../../watch-events.ts'
import type { TableShape } from '../../tables/index.ts'
import type { Connection } from '../connection.ts'
import { withSignal } from '../shared-signal.ts'
import { PinnedView } from '../view.ts'
import { decodeCell, type TableAccess } from './table-access.ts'

const NO_PREFIX = new Uint8Array(0)

/** The changes of the rows of a table, from its first step on. A consumer closes the view of a `reset`. */
export async function* watchTable<S extends TableShape>(
  connection: Connection,
  access: TableAccess,
  options: TableWatchOptions<S> = {},
): AsyncGenerator<TableWatchEvent<S>, void, undefined> {
  const { from, signal, prefix = {} } = options
  const { project, scope, table } = access.target
  const key = access.encodeRow(prefix)
  if (from !== undefined) parseToken(from)
  if (isAborted(signal)) return
  const events = connection.core.watch(
    { project, scope, prefix: NO_PREFIX, table, key },
    { ...connection.plainOptions, ...withSignal(signal), ...(from !== undefined && { from }) },
  )
  try {
    for await (const event of events) yield publicEvent<S>(connection, access, event)
  } catch (error) {
    if (isAborted(signal)) return
    throw error
  }
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true
}

function publicEvent<S extends TableShape>(
  connection: Connection,
  access: TableAccess,
  event: CoreWatchEvent,
): TableWatchEvent<S> {
  const { seq } = event
  const token = formatToken(event.historyId, seq)
  switch (event.type) {
    case 'rows': {
      const { columns, keyColumns } = event
      const keyPositions = keyColumns.map(name => columns.indexOf(name))
      const changes = event.changes.map((change): RowChange<S> => {
        const { kind, cells } = change
        const key = keyOf<S>(access, keyColumns, keyCells(change, keyPositions))
        return { kind, key, row: kind === 'put' ? access.decodeRow(columns, cells) : undefined, seq }
      })
      return { type: 'commit', seq, token, changes }
    }
    case 'progress':
      return { type: 'progress', seq, token }
    case 'reset':
      return { type: 'reset', seq, token, view: new PinnedView(connection, event.view) }
    default:
      throw new QuorateError('internal', `a watch of rows was told of a ${event.type}`)
  }
}

function keyCells({ kind, cells }: RowChangeData, keyPositions: readonly number[]): readonly Value[] {
  return kind === 'put' ? keyPositions.map(position => cells[position]!) : cells
}

function keyOf<S extends TableShape>(
  access: TableAccess,
  keyColumns: readonly string[],
  cells: readonly Value[],
): KeyCells<S> {
  const key = Object.fromEntries(keyColumns.map((name, i) => [name, decodeCell(name, cells[i]!, access.codec(name))]))
  return key as KeyCells<S>
}
