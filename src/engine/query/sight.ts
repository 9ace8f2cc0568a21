import type { Condition } from '../conditions/index.ts'
import { peekRecord } from '../record-scan.ts'
import type { RecordReader } from '../record-store.ts'
import { rowKeyOfEntry, RowView } from '../tables/index.ts'
import type { Table, TableIndex } from '../tables/index.ts'

/**
 * Which rows a read policy lets the reader see, and which index entries with them: ranges of read sets hold these alone, for finding
 * them changed must tell nothing of the others.
 */
export class Sight {
  readonly #reader: RecordReader
  readonly #policy: Condition
  readonly #view: RowView

  constructor(reader: RecordReader, table: Table, policy: Condition) {
    this.#reader = reader
    this.#policy = policy
    this.#view = new RowView(table)
  }

  /** `key` is the row's whole key, or that of an entry of `index`. Throws `ColdPages`. */
  sees(key: Uint8Array, index: TableIndex | undefined): boolean {
    const rowKey = index === undefined ? key : rowKeyOfEntry(this.#view.table.id, key, index.columns.length)
    const record = peekRecord(this.#reader, rowKey)
    if (record === undefined) return false
    this.#view.open(rowKey, record.bytes, record.valueAt)
    return this.#policy(this.#view) === true
  }
}
