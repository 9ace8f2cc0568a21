import { MalformedBytes, type ByteReader, type ByteWriter, type ColumnType } from '../../encoding/index.ts'
import type { Change, RowChangeData, WatchedRows } from '../database.ts'
import { asMap, choiceField, field, listField, type PlainMap } from './fields.ts'
import { cellsFromPlain, textsField, typesField } from './json-tables.ts'
import { readList } from './lists.ts'
import { readCells, readColumnNames, readTypes, writeCells, writeColumns } from './table-results.ts'

/**
 * Changes of rows in a watch: the columns as in a result of rows, u16 key columns each u16 position, u32 changes each u8 kind (0 put,
 * 1 delete, 2 expire) and the cells, of a put those of all columns, otherwise those of the key.
 */
export const CHANGE_KINDS: readonly Change['kind'][] = ['put', 'delete', 'expire']
const CHANGE_BYTES_MIN = 2

export function writeWatchedRows(out: ByteWriter, { columns, types, keyColumns, changes }: WatchedRows): void {
  writeColumns(out, columns, types)
  out.u16(keyColumns.length)
  for (const name of keyColumns) out.u16(columns.indexOf(name))
  out.u32(changes.length)
  for (const { kind, cells } of changes) {
    out.u8(CHANGE_KINDS.indexOf(kind))
    writeCells(out, cells, kind === 'put' ? columns.length : keyColumns.length)
  }
}

/** Cells are copies. */
export function readWatchedRows(reader: ByteReader): WatchedRows {
  const columns = readColumnNames(reader)
  const types = readTypes(reader, columns.length)
  const keyColumns: string[] = []
  for (let left = reader.u16(); left > 0; left--) {
    const column = columns[reader.u16()]
    if (column === undefined) throw new MalformedBytes('column of the key')
    keyColumns.push(column)
  }
  const changes = readList(reader, CHANGE_BYTES_MIN, (item): RowChangeData => {
    const kind = CHANGE_KINDS[item.u8()]
    if (kind === undefined) throw new MalformedBytes('change kind')
    return { kind, cells: readCells(item, kind === 'put' ? columns.length : keyColumns.length) }
  })
  return { columns, types, keyColumns, changes }
}

export function watchedRowsFromPlain(map: PlainMap): WatchedRows {
  const columns = textsField(map, 'columns')
  const types = typesField(map, 'types')
  const keyColumns = textsField(map, 'keyColumns')
  const keyTypes = keyColumns.map((name): ColumnType => {
    const type = types[columns.indexOf(name)]
    if (type === undefined) throw new MalformedBytes('column of the key')
    return type
  })
  const changes = listField(map, 'changes').map((item): RowChangeData => {
    const change = asMap(item, 'change')
    const kind = choiceField(change, 'kind', CHANGE_KINDS)
    const [count, cellTypes] = kind === 'put' ? [columns.length, types] : [keyColumns.length, keyTypes]
    return { kind, cells: cellsFromPlain(field(change, 'cells'), count, cellTypes) }
  })
  return { columns, types, keyColumns, changes }
}
