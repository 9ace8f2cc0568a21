import { encodeRow, equalBytes } from '../../encoding/index.ts'
import type { Value } from '../../encoding/index.ts'
import type { EntryWork } from '../entry-work.ts'
import { isExpired } from '../kv/index.ts'
import { rowExpiryKey } from '../layers.ts'
import { isMutant } from '../mutants.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import { indexKey, ROW_PREFIX_BYTES } from '../tables/index.ts'
import type { Table } from '../tables/index.ts'
import { scanTooLarge, tooManyRows } from '../work-budget.ts'
import type { WorkBudget } from '../work-budget.ts'
import { cellsAt, isIndexed, isSameCell, planOf, testCells } from './plan.ts'
import type { IndexPlan, TablePlan } from './plan.ts'
import { References } from './references.ts'
import { walkEntries } from './stored-row.ts'
import type { StoredRow } from './stored-row.ts'

const NO_VALUE = new Uint8Array(0)

/**
 * Changes of rows that one mutation makes: every rule is held to row by row, but for foreign keys, which must hold when the mutation
 * is done (`finish`). Referential actions follow at once. Throws `ColdPages`.
 */
export class Statement {
  readonly work: EntryWork
  readonly budget: WorkBudget
  readonly #references: References

  constructor(work: EntryWork, budget: WorkBudget) {
    this.work = work
    this.budget = budget
    this.#references = new References(this)
  }

  /** Refuses Null where it may not be, and rows for which a check is false. */
  check(plan: TablePlan, cells: readonly Value[]): Refusal | undefined {
    const { table, checks } = plan
    for (let position = 0; position < cells.length; position++) {
      if (cells[position] !== null || table.mayBeNull(position)) continue
      return refuse('not_null_violation', `column ${table.columns[position]!.name} of ${table.name} may not be null`)
    }
    for (const { name, condition } of checks) {
      if (testCells(condition, cells) === false) {
        return refuse('check_failed', `the row does not pass check ${name} of ${table.name}`)
      }
    }
    return undefined
  }

  /**
   * Writes a row over `old`, what is stored under its key (expired or not). `depth` counts referential actions that led here.
   * hot path (bench/apply)
   */
  store(
    table: Table,
    key: Uint8Array,
    old: StoredRow | undefined,
    cells: readonly Value[],
    expiresAtMicros: number,
    depth: number = 0,
  ): Refusal | undefined {
    const { work } = this
    const plan = planOf(table)
    if (--this.budget.rowsLeft < 0) return tooManyRows()
    const failed = this.check(plan, cells) ?? this.#enter(plan, key, old, cells, expiresAtMicros)
    if (failed !== undefined) return failed
    const value = encodeRow(table.newest.layout, slotCells(table, cells))
    const { valueBytesMax } = work.state.settings
    if (value.length > valueBytesMax) return refuse('value_too_large', `a row has at most ${valueBytesMax} bytes`)
    const replaced = old === undefined || isExpired(old, work.timeMicros) ? undefined : old
    this.#keepExpiry(key, old?.expiresAtMicros ?? 0, expiresAtMicros)
    work.changes.put(key, value, replaced?.createdSeq ?? work.seq, expiresAtMicros)
    work.effects.rowPut(table.id, key, value, imageBefore(table, replaced))
    return this.#references.stored(plan, key, replaced, cells, expiresAtMicros, depth)
  }

  /** Removes a row that is there. */
  remove(table: Table, row: StoredRow, depth: number = 0): Refusal | undefined {
    if (--this.budget.rowsLeft < 0) return tooManyRows()
    removeRecords(this.work, table, row)
    this.work.effects.rowDelete(table.id, row.key, imageBefore(table, row))
    return this.#references.removed(table, row, depth)
  }

  /** Whether all foreign keys hold now. To be called once, after the last change. */
  finish(): Refusal | undefined {
    return this.#references.finish()
  }

  /** Brings the indexes in step, unique ones after a look at their other entries. */
  #enter(
    plan: TablePlan,
    key: Uint8Array,
    old: StoredRow | undefined,
    cells: readonly Value[],
    expiresAtMicros: number,
  ): Refusal | undefined {
    for (const index of plan.indexes) {
      const isSameEntry = old !== undefined && old.expiresAtMicros === expiresAtMicros && isUnchanged(index, old, cells)
      if (isSameEntry || (!index.index.isReady && isMutant('index_build_misses_writers'))) continue
      const refusal = this.#enterIndex(plan.table, index, key, old, cells, expiresAtMicros)
      if (refusal !== undefined) return refusal
    }
    return undefined
  }

  #enterIndex(
    table: Table,
    plan: IndexPlan,
    key: Uint8Array,
    old: StoredRow | undefined,
    cells: readonly Value[],
    expiresAtMicros: number,
  ): Refusal | undefined {
    const { changes, state } = this.work
    const before = old !== undefined && isIndexed(plan, old.cells) ? entryKey(table, plan, old.cells, key) : undefined
    const after = isIndexed(plan, cells) ? entryKey(table, plan, cells, key) : undefined
    if (after !== undefined) {
      const { keyBytesMax } = state.settings
      if (after.length > keyBytesMax + ROW_PREFIX_BYTES) {
        return refuse('key_too_large', `an entry of index ${plan.index.name} has at most ${keyBytesMax} bytes`)
      }
      const other = plan.index.isUnique ? this.findOther(table, plan, cells, key) : undefined
      if (other !== undefined && 'code' in other) return other
      if (other !== undefined) {
        return refuse(
          'unique_violation',
          `another row of ${table.name} has the same values in index ${plan.index.name}`,
        )
      }
    }
    if (before !== undefined && (after === undefined || !equalBytes(before, after))) changes.delete(before)
    if (after !== undefined) changes.put(after, NO_VALUE, undefined, expiresAtMicros)
    return undefined
  }

  /** The key of another row than `own` that a unique index has under these cells; Nulls are equal to nothing. */
  findOther(
    table: Table,
    plan: IndexPlan,
    cells: readonly Value[],
    own: Uint8Array | undefined,
  ): Uint8Array | Refusal | undefined {
    const indexed = cellsAt(cells, plan.positions)
    if (indexed.includes(null)) return undefined
    let other: Uint8Array | undefined
    const isWithin = walkEntries(this.work, table, plan, indexed, this.budget, rowKey => {
      if (own === undefined || !equalBytes(rowKey, own)) other = rowKey
      return other === undefined
    })
    return isWithin ? other : scanTooLarge()
  }

  #keepExpiry(key: Uint8Array, before: number, after: number): void {
    const { work } = this
    if (before !== 0 && before !== after) work.changes.delete(rowExpiryKey(before, key))
    if (after === 0) return
    work.changes.put(rowExpiryKey(after, key), NO_VALUE)
    if (after < work.earliestExpiryMicros) work.earliestExpiryMicros = after
  }
}

/**
 * What effects say of the row before a change: its bytes, none if there was none, and nothing where no read policy decides who may hear
 * of it.
 */
export function imageBefore(table: Table, row: StoredRow | undefined): Uint8Array | undefined {
  if (table.parts.readPolicy === undefined) return undefined
  return row === undefined ? NO_VALUE : encodeRow(table.newest.layout, slotCells(table, row.cells))
}

/** Deletes the record of a row with its index entries and its expiry row. */
export function removeRecords({ changes }: EntryWork, table: Table, row: StoredRow): void {
  for (const index of planOf(table).indexes) {
    if (isIndexed(index, row.cells)) changes.delete(entryKey(table, index, row.cells, row.key))
  }
  if (row.expiresAtMicros !== 0) changes.delete(rowExpiryKey(row.expiresAtMicros, row.key))
  changes.delete(row.key)
}

export function entryKey(table: Table, plan: IndexPlan, cells: readonly Value[], rowKey: Uint8Array): Uint8Array {
  return indexKey(table, plan.index, cellsAt(cells, plan.positions), rowKey)
}

function isUnchanged({ watched }: IndexPlan, old: StoredRow, cells: readonly Value[]): boolean {
  return watched.every(position => isSameCell(old.cells[position]!, cells[position]!))
}

/** The cells as the newest layout has them. */
function slotCells(table: Table, cells: readonly Value[]): Value[] {
  const { slots, layout } = table.newest
  const ordered: Value[] = Array.from({ length: layout.types.length }, () => null)
  slots.forEach((slot, position) => {
    if (slot >= 0) ordered[slot] = cells[position]!
  })
  return ordered
}
