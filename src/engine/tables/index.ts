/** Tables: schemas, rows and index entries on the keyspace. */
export { indexKey, indexPrefix, ROW_PREFIX_BYTES, rowKey, rowKeyOfEntry, rowsPrefix } from './keys.ts'
export { RowView } from './row-view.ts'
export { Table } from './schema.ts'
export type { Check, Column, ForeignKey, LayoutRecord, RowPlaces, TableIndex, TableParts } from './schema.ts'
