import { asStored } from '../as-stored.ts'
import { ByteWriter, skipKeyValue, writeKeyValue } from '../../encoding/index.ts'
import type { Value } from '../../encoding/index.ts'
import { Layer } from '../layers.ts'
import type { Table, TableIndex } from './schema.ts'

/** Bytes of a row's key in front of its primary key, and of an index entry's in front of the indexed cells: layer, id. */
export const ROW_PREFIX_BYTES = 5

const writer = new ByteWriter(256)

function begin(layer: number, id: number): void {
  writer.reset()
  writer.u8(layer)
  writer.u8(id >>> 24)
  writer.u8((id >>> 16) & 0xff)
  writer.u8((id >>> 8) & 0xff)
  writer.u8(id & 0xff)
}

/** Prefix of all rows of a table: its space. */
export function rowsPrefix(tableId: number): Uint8Array {
  begin(Layer.rows, tableId)
  return writer.finish()
}

/** Prefix of all entries of an index: its space. */
export function indexPrefix(indexId: number): Uint8Array {
  begin(Layer.indexes, indexId)
  return writer.finish()
}

/** The key of the row whose primary key has these cells, or the prefix of all rows that begin with them. hot path (bench/apply) */
export function rowKey(table: Table, keyCells: readonly Value[]): Uint8Array {
  begin(Layer.rows, table.id)
  for (let i = 0; i < keyCells.length; i++) {
    writeKeyValue(writer, table.columns[table.keyPositions[i]!]!.type, keyCells[i]!)
  }
  return writer.finish()
}

/**
 * The key of an index entry: the indexed cells, then the primary key as `row` (the row's whole key) has it, so that equal cells are told
 * apart and in key order. Without `row`, the prefix of all entries that begin with the cells. The entry's value is empty.
 * hot path (bench/apply)
 */
export function indexKey(table: Table, index: TableIndex, cells: readonly Value[], row?: Uint8Array): Uint8Array {
  begin(Layer.indexes, index.id)
  for (let i = 0; i < cells.length; i++) {
    writeKeyValue(writer, table.columns[table.positionOfId(index.columns[i]!)!]!.type, cells[i]!)
  }
  if (row !== undefined) writer.raw(row.subarray(ROW_PREFIX_BYTES))
  return writer.finish()
}

/** The row's key that an entry of an index of so many columns names. */
export function rowKeyOfEntry(tableId: number, entry: Uint8Array, columns: number): Uint8Array {
  let at = ROW_PREFIX_BYTES
  for (let part = 0; part < columns; part++) at = skipStoredPart(entry, at)
  begin(Layer.rows, tableId)
  writer.raw(entry.subarray(at))
  return writer.finish()
}

/** Where the part of a stored key after the one at `at` begins. */
export function skipStoredPart(key: Uint8Array, at: number): number {
  try {
    return skipKeyValue(key, at)
  } catch (error) {
    throw asStored(error)
  }
}
