import { compareBytes, readKeyValue, skipKeyValue } from '../../encoding/index.ts'
import type { Value } from '../../encoding/index.ts'
import { isExpired } from '../kv/index.ts'
import { ColdPages } from '../record-store.ts'
import type { RecordInPlace } from '../record-store.ts'
import { cellsAt, findReferred, isIndexed, planOf, readRow, testCells } from '../rows/index.ts'
import type { IndexPlan, TablePlan } from '../rows/index.ts'
import { indexKey, indexPrefix, ROW_PREFIX_BYTES, rowKey, rowKeyOfEntry, rowsPrefix } from '../tables/index.ts'
import type { Table } from '../tables/index.ts'
import { placeOfTable } from './catalog-rules.ts'
import { compareUsage, KeySum, walkRecords } from './walk.ts'
import type { Inspected } from './walk.ts'

/**
 * Every row can be read and keeps the rules of its table, what it refers to is there, and every index has the entries of the rows and no
 * others. The table's own references hold.
 */
export async function checkTable(inspected: Inspected, table: Table): Promise<void> {
  const { reader, findings } = inspected
  const place = placeOfTable(inspected, table)
  const plan = planOf(table)
  const expected = plan.indexes.map(() => new KeySum())
  const space = rowsPrefix(table.id)
  const walked = await walkRecords(reader, space, (key, record) => {
    const cells = readCells(plan, key, record)
    if (typeof cells === 'string') return findings.add('row', cells, place, key)
    // Reads first: what is found is found once.
    const dangling = danglingKeys(inspected, plan, cells, record.expiresAtMicros)
    for (const name of dangling) {
      findings.add('foreign_key', `foreign key ${name}: there is no row that it refers to`, place, key)
    }
    for (const reason of brokenRules(plan, key, cells)) findings.add('row', reason, place, key)
    plan.indexes.forEach((each, i) => {
      if (isIndexed(each, cells)) expected[i]!.add(entryOf(table, each, cells, key), record.expiresAtMicros)
    })
  })
  compareUsage(inspected, space, walked, place)
  for (const [i, each] of plan.indexes.entries()) await checkIndex(inspected, table, each, expected[i]!)
}

function readCells(plan: TablePlan, key: Uint8Array, { bytes, valueAt }: RecordInPlace): readonly Value[] | string {
  try {
    plan.view.open(key, bytes, valueAt)
    return plan.view.cells()
  } catch (error) {
    if (error instanceof ColdPages) throw error
    return `the row cannot be read: ${error instanceof Error ? error.message : String(error)}`
  }
}

function* brokenRules(plan: TablePlan, key: Uint8Array, cells: readonly Value[]): Generator<string> {
  const { table } = plan
  const { columns, parts, keyPositions } = table
  if (compareBytes(rowKey(table, cellsAt(cells, keyPositions)), key) !== 0) yield 'the key is not that of the row'
  for (const [position, { name, isNullable, id }] of columns.entries()) {
    if (isNullable || parts.pendingNotNull.includes(id)) continue
    if (cells[position] === null) yield `column ${name} is Null`
  }
  for (const [i, { name, condition }] of plan.checks.entries()) {
    if (parts.checks[i]!.isValid && testCells(condition, cells) === false) yield `check ${name} does not hold`
  }
}

/** The foreign keys of the row whose target is missing. Throws `ColdPages`. */
function danglingKeys(
  { reader, state, timeMicros }: Inspected,
  { foreignKeys }: TablePlan,
  cells: readonly Value[],
  expiresAtMicros: number,
): string[] {
  if (foreignKeys.length === 0 || isExpired({ expiresAtMicros }, timeMicros)) return []
  const reads = { changes: reader, state, timeMicros }
  return foreignKeys
    .filter(({ foreignKey, positions }) => {
      const referring = cellsAt(cells, positions)
      if (!foreignKey.isValid || referring.includes(null)) return false
      return findReferred(reads, foreignKey, referring, undefined) === false
    })
    .map(({ foreignKey }) => foreignKey.name)
}

function entryOf(table: Table, { index, positions }: IndexPlan, cells: readonly Value[], key: Uint8Array): Uint8Array {
  return indexKey(table, index, cellsAt(cells, positions), key)
}

async function checkIndex(inspected: Inspected, table: Table, plan: IndexPlan, expected: KeySum): Promise<void> {
  const { reader, findings, timeMicros } = inspected
  const { index } = plan
  const place = { ...placeOfTable(inspected, table), index: index.name }
  const space = indexPrefix(index.id)
  const actual = new KeySum()
  let before: Uint8Array | undefined
  const walked = await walkRecords(reader, space, (key, { expiresAtMicros }) => {
    actual.add(key, expiresAtMicros)
    if (!index.isUnique || isExpired({ expiresAtMicros }, timeMicros)) return
    const cells = uniqueCells(table, plan, key)
    if (cells !== undefined && before !== undefined && compareBytes(cells, before) === 0) {
      findings.add('unique', 'two rows have the same values', place, key)
    }
    before = cells
  })
  compareUsage(inspected, space, walked, place)
  if (!index.isReady || !actual.equals(expected)) await locate(inspected, table, plan)
}

/** What an entry of a unique index has in front of its row's key; undefined if it equals nothing, or has no form. */
function uniqueCells(table: Table, { index, positions }: IndexPlan, entry: Uint8Array): Uint8Array | undefined {
  try {
    const row = rowKeyOfEntry(table.id, entry, index.columns.length)
    const cells = entry.slice(0, entry.length - (row.length - ROW_PREFIX_BYTES))
    return hasNull(table, positions, cells) ? undefined : cells
  } catch {
    return undefined
  }
}

function hasNull(table: Table, positions: readonly number[], entry: Uint8Array): boolean {
  let at = ROW_PREFIX_BYTES
  return positions.some(position => {
    const isNull = readKeyValue(entry, at) === null
    at = skipKeyValue(entry, at)
    return isNull && table.columns[position]!.isNullable
  })
}

/** Names the entries that are missing, wrong and too many. An index that is being built may still lack some. */
async function locate({ reader, findings, state, ...rest }: Inspected, table: Table, plan: IndexPlan): Promise<void> {
  const place = { ...placeOfTable({ reader, findings, state, ...rest }, table), index: plan.index.name }
  const rows = planOf(table)
  if (plan.index.isReady) {
    await walkRecords(reader, rowsPrefix(table.id), (key, record) => {
      const cells = readCells(rows, key, record)
      if (typeof cells === 'string' || !isIndexed(plan, cells)) return
      const { expiresAtMicros } = record
      const entry = entryOf(table, plan, cells, key)
      const found = reader.metadata(entry)
      if (found === undefined) findings.add('index', 'the row has no entry', place, key)
      else if (found.expiresAtMicros !== expiresAtMicros) {
        findings.add(
          'index',
          `the entry expires at ${found.expiresAtMicros}, its row at ${expiresAtMicros}`,
          place,
          entry,
        )
      }
    })
  }
  await walkRecords(reader, indexPrefix(plan.index.id), entry => {
    const reason = strayEntry(reader, table, plan, entry)
    if (reason !== undefined) findings.add('index', reason, place, entry)
  })
}

/** Why an entry should not be there. Throws `ColdPages`. */
function strayEntry(reader: Inspected['reader'], table: Table, plan: IndexPlan, entry: Uint8Array): string | undefined {
  try {
    const row = readRow(reader, table, rowKeyOfEntry(table.id, entry, plan.index.columns.length))
    if (row === undefined) return 'the entry has no row'
    if (!isIndexed(plan, row.cells)) return 'the row is not one of this index'
    const isOwn = compareBytes(entryOf(table, plan, row.cells, row.key), entry) === 0
    return isOwn ? undefined : 'the row has other values'
  } catch (error) {
    if (error instanceof ColdPages) throw error
    return 'the entry, or its row, cannot be read'
  }
}
