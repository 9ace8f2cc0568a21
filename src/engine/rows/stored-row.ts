import type { Value } from '../../encoding/index.ts'
import type { EntryWork } from '../entry-work.ts'
import { isExpired } from '../kv/index.ts'
import type { RecordReader, StoredMetadata } from '../record-store.ts'
import { indexKey, rowKeyOfEntry } from '../tables/index.ts'
import type { Table } from '../tables/index.ts'
import type { WorkBudget } from '../work-budget.ts'
import { planOf } from './plan.ts'
import type { IndexPlan } from './plan.ts'

/** What rows are read from: an entry's work, or a state. */
export interface RowReads {
  readonly changes: RecordReader
  /** Leader time. */
  readonly timeMicros: number
}

/** A row as it is stored, expired or not. */
export interface StoredRow extends StoredMetadata {
  /** The record's whole key. */
  readonly key: Uint8Array
  /** By position. */
  readonly cells: readonly Value[]
}

/** Throws `ColdPages`. */
export function readRow(reader: RecordReader, table: Table, key: Uint8Array): StoredRow | undefined {
  const record = reader.get(key)
  if (record === undefined) return undefined
  const { view } = planOf(table)
  view.open(key, record.value)
  const { versionSeq, createdSeq, expiresAtMicros } = record
  return { key, cells: view.cells(), versionSeq, createdSeq, expiresAtMicros }
}

/** The row, unless it has expired. */
export function readLive(work: EntryWork, table: Table, key: Uint8Array): StoredRow | undefined {
  const row = readRow(work.changes, table, key)
  return row === undefined || isExpired(row, work.timeMicros) ? undefined : row
}

/** No tag of an ordered key is FF: all keys that begin with the parts of `prefix` lie before this. */
export function partsEnd(prefix: Uint8Array): Uint8Array {
  const end = new Uint8Array(prefix.length + 1)
  end.set(prefix)
  end[prefix.length] = 0xff
  return end
}

/**
 * Visits the keys of the unexpired rows that an index has under `cells`, the cells of its first columns, until `visit` gives false.
 * Returns false if the budget has run out. Throws `ColdPages`.
 */
export function walkEntries(
  work: RowReads,
  table: Table,
  { index }: IndexPlan,
  cells: readonly Value[],
  budget: WorkBudget | undefined,
  visit: (rowKey: Uint8Array) => boolean,
): boolean {
  const prefix = indexKey(table, index, cells)
  let isWithin = true
  work.changes.walk(prefix, partsEnd(prefix), false, (entry, metadata) => {
    if (budget !== undefined && budget.recordsLeft-- <= 0) {
      isWithin = false
      return false
    }
    if (isExpired(metadata, work.timeMicros)) return true
    return visit(rowKeyOfEntry(table.id, entry, index.columns.length))
  })
  return isWithin
}
