import { ByteWriter, MISMATCH, toColumnValue, writeKeyValue } from '../../../encoding/index.ts'
import type {
  ColumnDefinition,
  Row,
  TableDefinitionData,
  TableMutation,
  Updates,
  Value,
} from '../../../encoding/index.ts'
import { QuorateError } from '../../errors.ts'
import { invalid } from '../arguments.ts'
import { mapKey } from '../own-writes.ts'
import { updatedRow } from '../../tables/index.ts'

/** What a transaction's own writes have made of one row. */
export type OwnRow =
  /** As the view has it, with these updates in order. */
  | { state: 'view'; updates: readonly Updates[] }
  | { state: 'written'; row: Row }
  | { state: 'deleted' }
  /** Only the commit can tell. */
  | { state: 'unknown'; reason: string }

const UNTOUCHED: OwnRow = { state: 'view', updates: [] }

/** The writes of a transaction to one table, in order. */
export class TableWrites {
  readonly #mutations: TableMutation[] = []

  get isEmpty(): boolean {
    return this.#mutations.length === 0
  }

  add(mutation: TableMutation): void {
    this.#mutations.push(mutation)
  }

  /** What they make of the row with these cells of the primary key. */
  find(definition: TableDefinitionData, key: Row): OwnRow {
    const id = rowId(definition, key)
    let own = UNTOUCHED
    for (const mutation of this.#mutations) own = afterMutation(own, mutation, definition, id)
    return own
  }
}

function afterMutation(own: OwnRow, mutation: TableMutation, definition: TableDefinitionData, id: string): OwnRow {
  switch (mutation.type) {
    case 'updateWhere':
    case 'deleteWhere':
      return { state: 'unknown', reason: 'rows were changed by a condition' }
    case 'delete':
      return rowId(definition, mutation.key) === id ? { state: 'deleted' } : own
    case 'update':
      return rowId(definition, mutation.key) === id ? afterUpdate(own, mutation.set) : own
    case 'insert':
    case 'upsert':
      return afterRows(own, mutation, definition, id)
    default:
      throw invalid(`no such write: ${String(mutation satisfies never)}`)
  }
}

function afterUpdate(own: OwnRow, set: Updates): OwnRow {
  if (own.state === 'view') return { state: 'view', updates: [...own.updates, set] }
  // The commit will refuse to update a row that is not there.
  if (own.state !== 'written') return own
  const row = updatedRow(own.row, set)
  return row === undefined
    ? { state: 'unknown', reason: 'its update speaks of a proposed row' }
    : { state: 'written', row }
}

function afterRows(
  own: OwnRow,
  mutation: Extract<TableMutation, { type: 'insert' | 'upsert' }>,
  definition: TableDefinitionData,
  id: string,
): OwnRow {
  let next = own
  for (const row of mutation.rows) {
    if (mutation.type === 'insert' && mutation.onConflict?.target !== undefined) {
      // Another row than that of its key may be the one in its way.
      return { state: 'unknown', reason: 'a row was inserted with a conflict target' }
    }
    if (rowId(definition, row) !== id) continue
    next =
      mutation.type === 'insert' && mutation.onConflict !== undefined
        ? { state: 'unknown', reason: 'it was inserted with onConflict' }
        : completed(row, definition)
  }
  return next
}

/** The row as the write will make it: with the defaults of cells that it does not give. */
function completed(row: Row, { columns }: TableDefinitionData): OwnRow {
  const cells: [string, Value][] = []
  for (const column of columns) {
    const given = Object.hasOwn(row, column.name)
    if (!given && column.defaultNow === true) {
      return { state: 'unknown', reason: `${column.name} gets the time of the commit` }
    }
    cells.push([column.name, columnValue(column, given ? row[column.name]! : (column.default ?? null))])
  }
  return { state: 'written', row: Object.fromEntries(cells) }
}

function columnValue({ name, type }: ColumnDefinition, value: Value): Value {
  const cell = toColumnValue(type, value)
  if (cell === MISMATCH) throw new QuorateError('type_mismatch', `column ${name}: the value is no ${type}`)
  return cell
}

const writer = new ByteWriter(64)

/** The primary key of a row or key as text: equal for equal keys, however their cells were given. */
function rowId({ columns, primaryKey }: TableDefinitionData, cells: Row): string {
  writer.reset()
  for (const name of primaryKey) {
    const column = columns.find(column => column.name === name)
    if (column === undefined || !Object.hasOwn(cells, name)) throw invalid(`the key lacks the column ${name}`)
    writeKeyValue(writer, column.type, columnValue(column, cells[name]!))
  }
  return mapKey(writer.finish())
}
