import { equalBytes } from '../../encoding/index.ts'
import type { EntryWork } from '../entry-work.ts'
import { isExpired } from '../kv/index.ts'
import { rowExpiryKey } from '../layers.ts'
import { prefixEnd } from '../record-store.ts'
import { ROW_PREFIX_BYTES, rowsPrefix } from '../tables/index.ts'
import type { Check, ForeignKey, Table, TableIndex } from '../tables/index.ts'
import { cellsAt, isIndexed, planIndex, storedCondition, testCells } from './plan.ts'
import type { IndexPlan } from './plan.ts'
import { findReferred } from './references.ts'
import { entryKey } from './statement.ts'
import { readRow, walkEntries } from './stored-row.ts'
import type { StoredRow } from './stored-row.ts'

const NO_VALUE = new Uint8Array(0)

/** How far a step over the rows of a table has come. */
export interface RowStep {
  visited: number
  /** The key of the last row that was done; undefined = all are. */
  cursor: Uint8Array | undefined
  /** Why a row does not fit; the step ends there. */
  failure: string | undefined
}

/** Whether there is a row, expired or not. Throws `ColdPages`. */
export function hasRows(work: EntryWork, tableId: number): boolean {
  const prefix = rowsPrefix(tableId)
  let isThere = false
  work.changes.walk(prefix, prefixEnd(prefix), false, () => {
    isThere = true
    return false
  })
  return isThere
}

/** Gives an index the entries of at most `rowsMax` rows after `cursor`. Throws `ColdPages`. */
export function buildIndexStep(
  work: EntryWork,
  table: Table,
  index: TableIndex,
  cursor: Uint8Array,
  rowsMax: number,
): RowStep {
  const plan = planIndex(table, index)
  const { keyBytesMax } = work.state.settings
  return eachRow(work, table, cursor, rowsMax, row => {
    if (!isIndexed(plan, row.cells)) return undefined
    const entry = entryKey(table, plan, row.cells, row.key)
    if (entry.length > keyBytesMax + ROW_PREFIX_BYTES) return `an entry has at most ${keyBytesMax} bytes`
    // A writer that came first has looked at the other entries.
    if (work.changes.metadata(entry) !== undefined) return undefined
    if (index.isUnique && hasOther(work, table, plan, row)) return 'two rows have the same values'
    work.changes.put(entry, NO_VALUE, undefined, row.expiresAtMicros)
    return undefined
  })
}

function hasOther(work: EntryWork, table: Table, plan: IndexPlan, row: StoredRow): boolean {
  const cells = cellsAt(row.cells, plan.positions)
  if (cells.includes(null)) return false
  let isThere = false
  walkEntries(work, table, plan, cells, undefined, key => {
    isThere = !equalBytes(key, row.key)
    return !isThere
  })
  return isThere
}

/** Looks whether a column is nowhere Null. Throws `ColdPages`; so do the others. */
export function notNullStep(
  work: EntryWork,
  table: Table,
  position: number,
  cursor: Uint8Array,
  rowsMax: number,
): RowStep {
  return eachRow(work, table, cursor, rowsMax, row => (row.cells[position] === null ? 'a row has null' : undefined))
}

export function checkStep(
  work: EntryWork,
  table: Table,
  { check }: Check,
  cursor: Uint8Array,
  rowsMax: number,
): RowStep {
  const condition = storedCondition(table, check, '')
  return eachRow(work, table, cursor, rowsMax, row =>
    testCells(condition, row.cells) === false ? 'a row does not pass it' : undefined,
  )
}

export function foreignKeyStep(
  work: EntryWork,
  table: Table,
  foreignKey: ForeignKey,
  cursor: Uint8Array,
  rowsMax: number,
): RowStep {
  const positions = table.positions(foreignKey.columns)
  return eachRow(work, table, cursor, rowsMax, row => {
    const cells = cellsAt(row.cells, positions)
    if (cells.includes(null) || findReferred(work, foreignKey, cells, undefined) === true) return undefined
    return 'a row refers to none'
  })
}

/** Visits at most `rowsMax` rows after `cursor`, a row's key, until `visit` says why one does not fit. Expired rows count, unvisited. */
function eachRow(
  work: EntryWork,
  table: Table,
  cursor: Uint8Array,
  rowsMax: number,
  visit: (row: StoredRow) => string | undefined,
): RowStep {
  const prefix = rowsPrefix(table.id)
  const keys: Uint8Array[] = []
  let isLast = true
  work.changes.walk(cursor.length === 0 ? prefix : keyAfter(cursor), prefixEnd(prefix), false, key => {
    isLast = keys.length < rowsMax
    if (isLast) keys.push(key.slice())
    return isLast
  })
  const step: RowStep = { visited: keys.length, cursor: isLast ? undefined : keys.at(-1), failure: undefined }
  for (const key of keys) {
    const row = readRow(work.changes, table, key)!
    step.failure = isExpired(row, work.timeMicros) ? undefined : visit(row)
    if (step.failure !== undefined) return step
  }
  return step
}

function keyAfter(key: Uint8Array): Uint8Array {
  const after = new Uint8Array(key.length + 1)
  after.set(key)
  return after
}

/** Removes at most `recordsMax` records with this prefix, rows with their expiry rows. True if none is left. Throws `ColdPages`. */
export function removeStep(
  { changes }: EntryWork,
  prefix: Uint8Array,
  areRows: boolean,
  recordsMax: number,
): { removed: number; isDone: boolean } {
  let removed = 0
  let isDone = true
  changes.walk(prefix, prefixEnd(prefix), false, (key, { expiresAtMicros }) => {
    isDone = removed < recordsMax
    if (!isDone) return false
    const own = key.slice()
    if (areRows && expiresAtMicros !== 0) changes.delete(rowExpiryKey(expiresAtMicros, own))
    changes.delete(own)
    removed++
    return true
  })
  return { removed, isDone }
}
