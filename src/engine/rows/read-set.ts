import { compareBytes, RangeDigest } from '../../encoding/index.ts'
import type { PointRead, RangeRead } from '../../encoding/index.ts'
import type { EntryWork } from '../entry-work.ts'
import { isExpired } from '../kv/index.ts'
import { isMutant } from '../mutants.ts'
import { prefixEnd } from '../record-store.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import { indexPrefix, ROW_PREFIX_BYTES, rowKeyOfEntry, rowsPrefix } from '../tables/index.ts'
import type { Table, TableIndex } from '../tables/index.ts'
import { scanTooLarge } from '../work-budget.ts'
import type { WorkBudget } from '../work-budget.ts'
import { seenRow } from './assertions.ts'
import type { RowCaller } from './scan.ts'

/** Looks whether a row has still the version that was read; one that the caller does not see is absent. Throws `ColdPages`. */
export function checkRowPoint(
  work: EntryWork,
  table: Table,
  { key, seq }: PointRead,
  caller: RowCaller,
  index: number,
): Refusal | undefined {
  const fullKey = within(rowsPrefix(table.id), key)
  const hasPolicy = table.parts.readPolicy !== undefined && !caller.bypassesPolicy
  const found = hasPolicy ? seenRow(work, table, fullKey, caller) : work.changes.metadata(fullKey)
  const actualSeq = found === undefined || isExpired(found, work.timeMicros) ? 0 : found.versionSeq
  return actualSeq === seq ? undefined : refuse('conflict', 'a row of the read set has changed', { index, actualSeq })
}

/**
 * Looks whether a range of rows or of index entries holds the same records in the same versions. Those that the caller does not see do not
 * count: a conflict tells nothing of them. Throws `ColdPages`.
 */
export function checkRowRange(
  work: EntryWork,
  table: Table,
  range: RangeRead,
  caller: RowCaller,
  budget: WorkBudget,
  index: number,
): Refusal | undefined {
  const space = range.index === undefined ? undefined : table.index(range.index)
  if (range.index !== undefined && space === undefined) {
    return refuse('index_not_found', `${table.name} has no index ${range.index}`)
  }
  const prefix = space === undefined ? rowsPrefix(table.id) : indexPrefix(space.id)
  const from = within(prefix, range.start ?? NO_KEY)
  const to = range.end === undefined ? prefixEnd(prefix) : within(prefix, range.end)
  const hasPolicy = table.parts.readPolicy !== undefined && !caller.bypassesPolicy
  const digest = new RangeDigest()
  let isWithin = true
  if (compareBytes(from, to) < 0) {
    work.changes.walk(from, to, range.reverse === true, (key, record) => {
      if (budget.recordsLeft-- <= 0) {
        isWithin = false
        return false
      }
      if (isExpired(record, work.timeMicros)) return true
      const { versionSeq } = record
      if (hasPolicy && !isSeen(work, table, space, key, caller)) return true
      digest.add(key, ROW_PREFIX_BYTES, key.length, versionSeq)
      return range.limit === 0 || digest.records < range.limit
    })
  }
  if (!isWithin) return scanTooLarge()
  if (digest.toHex() === range.digest || isMutant('range_read_set_unchecked')) return undefined
  return refuse('conflict', 'a range of the read set has changed', { index, actualSeq: 0 })
}

/** Whether the caller sees the row with this key, or the one that this entry of `index` names. */
function isSeen(
  work: EntryWork,
  table: Table,
  index: TableIndex | undefined,
  key: Uint8Array,
  caller: RowCaller,
): boolean {
  if (index === undefined) return seenRow(work, table, key, caller) !== undefined
  return seenRow(work, table, rowKeyOfEntry(table.id, key, index.columns.length), caller) !== undefined
}

const NO_KEY = new Uint8Array(0)

function within(prefix: Uint8Array, key: Uint8Array): Uint8Array {
  const full = new Uint8Array(prefix.length + key.length)
  full.set(prefix)
  full.set(key, prefix.length)
  return full
}
