import type { EntryWork } from '../entry-work.ts'
import type { ExpiryStep } from '../kv/index.ts'
import { readU32BE, readU64BE, ROW_EXPIRY_PREFIX, rowKeyOfExpiry } from '../layers.ts'
import { isMutant } from '../mutants.ts'
import { prefixEnd } from '../record-store.ts'
import { imageBefore, removeRecords } from './statement.ts'
import { readRow } from './stored-row.ts'

/**
 * Removes at most `rowsMax` due rows in the order of (expiry, table, key), with their index entries. Nothing refers to a row that expires.
 * Those of a dropped table are left to its removal. Throws `ColdPages`.
 */
export function expireRows(work: EntryWork, rowsMax: number): ExpiryStep {
  const { changes, effects, timeMicros, state } = work
  const due: Uint8Array[] = []
  let nextMicros = Number.POSITIVE_INFINITY
  changes.walk(ROW_EXPIRY_PREFIX, prefixEnd(ROW_EXPIRY_PREFIX), false, row => {
    const expiresAt = readU64BE(row, 2)
    if (expiresAt > timeMicros || due.length === rowsMax) {
      nextMicros = expiresAt
      return false
    }
    due.push(row.slice())
    return true
  })
  for (const expiry of due) {
    const key = rowKeyOfExpiry(expiry)
    const tableId = readU32BE(key, 1)
    const table = state.catalog.tableById(tableId)
    const row = table === undefined ? undefined : readRow(changes, table, key)
    changes.delete(expiry)
    if (table === undefined || row === undefined) continue
    if (isMutant('row_expiry_leaves_entries')) changes.delete(key)
    else removeRecords(work, table, row)
    effects.rowExpire(tableId, key, imageBefore(table, row))
  }
  return { removed: due.length, nextMicros }
}
