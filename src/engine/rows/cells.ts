import { MISMATCH, toColumnValue } from '../../encoding/index.ts'
import type { Row, Value } from '../../encoding/index.ts'
import type { ClusterSettings } from '../../model/index.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import { ROW_PREFIX_BYTES, rowKey } from '../tables/index.ts'
import type { Table } from '../tables/index.ts'

/** A row that is to be inserted. */
export interface ProposedRow {
  /** By position; absent columns have their default, or Null. */
  readonly cells: Value[]
  /** By position: whether the mutation itself names the column. */
  readonly isGiven: readonly boolean[]
}

export function isRefusal<T extends object>(value: T | Refusal): value is Refusal {
  return 'code' in value
}

export function noColumn(table: Table, name: string): Refusal {
  return refuse('column_not_found', `table ${table.name} has no column ${name.slice(0, 140)}`)
}

export function mismatch(table: Table, position: number): Refusal {
  const { name, type } = table.columns[position]!
  return refuse('type_mismatch', `column ${name} of ${table.name} holds ${type}`)
}

/** `value` as the column at `position` holds it. */
export function cellOf(
  table: Table,
  position: number,
  value: Value,
  { valueBytesMax }: ClusterSettings,
): { cell: Value } | Refusal {
  const cell = toColumnValue(table.columns[position]!.type, value)
  if (cell === MISMATCH) return mismatch(table, position)
  // A text has at least as many bytes as UTF-16 units; what all cells have together is looked at when the row is written.
  if ((typeof cell === 'string' || cell instanceof Uint8Array) && cell.length > valueBytesMax) {
    return refuse('value_too_large', `a cell has at most ${valueBytesMax} bytes`)
  }
  return { cell }
}

/** The cells of a row that is to be inserted at leader time `timeMicros`. */
export function proposeRow(
  table: Table,
  row: Row,
  settings: ClusterSettings,
  timeMicros: number,
): ProposedRow | Refusal {
  const cells: Value[] = table.columns.map(column => (column.isDefaultNow ? timeMicros : column.default))
  const isGiven = table.columns.map(() => false)
  for (const name of Object.keys(row)) {
    const position = table.position(name)
    if (position === undefined) return noColumn(table, name)
    const found = cellOf(table, position, row[name]!, settings)
    if (isRefusal(found)) return found
    cells[position] = found.cell
    isGiven[position] = true
  }
  return { cells, isGiven }
}

/** The whole key of the row with these cells. */
export function keyOfCells(
  table: Table,
  cells: readonly Value[],
  { keyBytesMax }: ClusterSettings,
): Uint8Array | Refusal {
  const parts: Value[] = []
  for (const position of table.keyPositions) {
    const cell = cells[position]!
    if (cell === null) {
      return refuse('not_null_violation', `column ${table.columns[position]!.name} of ${table.name} may not be null`)
    }
    parts.push(cell)
  }
  const key = rowKey(table, parts)
  if (key.length <= keyBytesMax + ROW_PREFIX_BYTES) return key
  return refuse('key_too_large', `a primary key has at most ${keyBytesMax} bytes`)
}

/** The whole key of the row that `key` names by the cells of its primary key, no more and no fewer. */
export function keyOfRow(table: Table, key: Row, settings: ClusterSettings): Uint8Array | Refusal {
  const cells: Value[] = table.columns.map(() => null)
  let parts = 0
  for (const name of Object.keys(key)) {
    const position = table.position(name)
    if (position === undefined) return noColumn(table, name)
    if (table.keyParts[position]! < 0) return refuse('invalid_argument', `column ${name} is no part of the primary key`)
    const found = cellOf(table, position, key[name]!, settings)
    if (isRefusal(found)) return found
    cells[position] = found.cell
    parts++
  }
  if (parts < table.keyPositions.length) return refuse('invalid_argument', 'a key has all columns of the primary key')
  return keyOfCells(table, cells, settings)
}
