/** Tables: schemas, rows and index entries on the keyspace. */
export { indexKey, indexPrefix, ROW_PREFIX_BYTES, rowKey, rowKeyOfEntry, rowsPrefix } from './keys.ts'
export { decodeTable, encodeTable } from './record.ts'
export { RowView } from './row-view.ts'
export { FAILURES_MAX, Table } from './schema.ts'
export type {
  Check,
  Column,
  ForeignKey,
  LayoutRecord,
  RowPlaces,
  TableFailure,
  TableIndex,
  TableParts,
} from './schema.ts'
