import type { ReferentialAction, Value } from '../../encoding/index.ts'
import type { Reference } from '../catalog/index.ts'
import type { ClusterState } from '../cluster-state.ts'
import type { EntryWork } from '../entry-work.ts'
import { isExpired } from '../kv/index.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import { rowKey } from '../tables/index.ts'
import type { ForeignKey, Table } from '../tables/index.ts'
import { scanTooLarge } from '../work-budget.ts'
import type { WorkBudget } from '../work-budget.ts'
import { cellsAt, isSameCell, planOf } from './plan.ts'
import type { IndexPlan, TablePlan } from './plan.ts'
import { readLive, walkEntries } from './stored-row.ts'
import type { RowReads, StoredRow } from './stored-row.ts'

/** Referential actions that follow from one another go no deeper. */
export const ACTION_DEPTH_MAX = 8

/** What referential actions change rows by; `depth` counts the actions that led there. */
export interface RowWriter {
  readonly work: EntryWork
  readonly budget: WorkBudget
  store(
    table: Table,
    key: Uint8Array,
    old: StoredRow | undefined,
    cells: readonly Value[],
    expiresAtMicros: number,
    depth: number,
  ): Refusal | undefined
  remove(table: Table, row: StoredRow, depth: number): Refusal | undefined
}

/** A row that was given referring cells: what it refers to must be there in the end. */
interface Referring {
  readonly table: Table
  readonly foreignKey: ForeignKey
  readonly key: Uint8Array
}

/** Cells that no row has any longer for others to refer to, unless one has them again in the end. */
interface Lost {
  readonly reference: Reference
  readonly cells: readonly Value[]
}

/**
 * The foreign keys of the tables that one mutation changes. Cascades and the like follow each change at once; that what is referred to
 * exists is looked at when all is done, so that the rows of one mutation may refer to each other and go together. A row that expires
 * cannot be referred to.
 */
export class References {
  readonly #rows: RowWriter
  readonly #referring: Referring[] = []
  readonly #lost: Lost[] = []

  constructor(rows: RowWriter) {
    this.#rows = rows
  }

  /** A row was written; `replaced` is the live row that was there before. */
  stored(
    plan: TablePlan,
    key: Uint8Array,
    replaced: StoredRow | undefined,
    cells: readonly Value[],
    expiresAtMicros: number,
    depth: number,
  ): Refusal | undefined {
    const { table } = plan
    for (const { foreignKey, positions } of plan.foreignKeys) {
      if (replaced !== undefined && isSameAt(replaced.cells, cells, positions)) continue
      if (!cellsAt(cells, positions).includes(null)) this.#referring.push({ table, foreignKey, key })
    }
    for (const reference of this.#rows.work.state.catalog.references(table.id)) {
      const positions = table.positions(reference.foreignKey.references)
      const referred = cellsAt(cells, positions)
      if (expiresAtMicros !== 0 && !referred.includes(null)) this.#lost.push({ reference, cells: referred })
      if (replaced === undefined || isSameAt(replaced.cells, cells, positions)) continue
      const refusal = this.#changed(reference, cellsAt(replaced.cells, positions), referred, depth)
      if (refusal !== undefined) return refusal
    }
    return undefined
  }

  /** A row was removed. */
  removed(table: Table, row: StoredRow, depth: number): Refusal | undefined {
    for (const reference of this.#rows.work.state.catalog.references(table.id)) {
      const referred = cellsAt(row.cells, table.positions(reference.foreignKey.references))
      const refusal = this.#changed(reference, referred, undefined, depth)
      if (refusal !== undefined) return refusal
    }
    return undefined
  }

  /** Cells that others may refer to have become `after`, or went with their row. */
  #changed(
    reference: Reference,
    before: readonly Value[],
    after: readonly Value[] | undefined,
    depth: number,
  ): Refusal | undefined {
    if (before.includes(null)) return undefined
    const { table, foreignKey } = reference
    const action = actionOf(foreignKey, after === undefined)
    // A default may be what was referred to before.
    if (action === 'restrict' || action === 'noAction' || action === 'setDefault') {
      this.#lost.push({ reference, cells: before })
      if (action !== 'setDefault') return undefined
    }
    const keys = this.#referringRows(reference, before)
    if (!Array.isArray(keys)) return keys
    if (keys.length > 0 && depth === ACTION_DEPTH_MAX) {
      return refuse('foreign_key_violation', `referential actions go deeper than ${ACTION_DEPTH_MAX}`)
    }
    for (const key of keys) {
      // What an earlier row has led to may have changed this one.
      const row = readLive(this.#rows.work, table, key)
      if (row === undefined || !hasCells(table, foreignKey, row, before)) continue
      const refusal =
        action === 'cascade' && after === undefined
          ? this.#rows.remove(table, row, depth + 1)
          : this.#rows.store(
              table,
              key,
              row,
              this.#redirected(reference, row, action, after),
              row.expiresAtMicros,
              depth + 1,
            )
      if (refusal !== undefined) return refusal
    }
    return undefined
  }

  #redirected(
    { table, foreignKey }: Reference,
    row: StoredRow,
    action: ReferentialAction,
    after: readonly Value[] | undefined,
  ): Value[] {
    const cells = [...row.cells]
    table.positions(foreignKey.columns).forEach((position, i) => {
      const column = table.columns[position]!
      if (action === 'cascade') cells[position] = after![i]!
      else if (action === 'setNull') cells[position] = null
      else cells[position] = column.isDefaultNow ? this.#rows.work.timeMicros : column.default
    })
    return cells
  }

  finish(): Refusal | undefined {
    for (const { table, foreignKey, key } of this.#referring) {
      const row = readLive(this.#rows.work, table, key)
      if (row === undefined) continue
      const cells = cellsAt(row.cells, table.positions(foreignKey.columns))
      if (cells.includes(null)) continue
      const found = this.#isThere(foreignKey, cells)
      if (typeof found !== 'boolean') return found
      if (!found) return noSuchRow(table, foreignKey)
    }
    for (const { reference, cells } of this.#lost) {
      const found = this.#isThere(reference.foreignKey, cells)
      if (typeof found !== 'boolean') return found
      if (found) continue
      const keys = this.#referringRows(reference, cells)
      if (!Array.isArray(keys)) return keys
      if (keys.length > 0) return isReferredTo(reference)
    }
    return undefined
  }

  /** The rows that refer to these cells. */
  #referringRows({ table, foreignKey }: Reference, cells: readonly Value[]): Uint8Array[] | Refusal {
    const keys: Uint8Array[] = []
    const lookup = planOf(table).indexes.find(({ index }) => index.id === foreignKey.lookupIndexId)!
    const isWithin = walkEntries(
      this.#rows.work,
      table,
      lookup,
      lookupCells(foreignKey, lookup, cells),
      this.#rows.budget,
      key => {
        keys.push(key)
        return true
      },
    )
    return isWithin ? keys : scanTooLarge()
  }

  #isThere(foreignKey: ForeignKey, cells: readonly Value[]): boolean | Refusal {
    const { work, budget } = this.#rows
    return findReferred(work, foreignKey, cells, budget) ?? scanTooLarge()
  }
}

/** Whether a row that does not expire has the cells that `foreignKey` refers to; undefined if the budget has run out. */
export function findReferred(
  work: RowReads & { readonly state: Pick<ClusterState, 'catalog'> },
  foreignKey: ForeignKey,
  cells: readonly Value[],
  budget: WorkBudget | undefined,
): boolean | undefined {
  const table = work.state.catalog.tableById(foreignKey.tableId)!
  const cellOf = (id: number): Value => cells[foreignKey.references.indexOf(id)]!
  if (foreignKey.indexId === undefined) {
    const record = work.changes.metadata(rowKey(table, table.parts.primaryKey.map(cellOf)))
    return record !== undefined && record.expiresAtMicros === 0
  }
  const plan = planOf(table).indexes.find(({ index }) => index.id === foreignKey.indexId)!
  let isThere = false
  const isWithin = walkEntries(work, table, plan, plan.index.columns.map(cellOf), budget, key => {
    const record = work.changes.metadata(key)
    isThere = record !== undefined && !isExpired(record, work.timeMicros) && record.expiresAtMicros === 0
    return !isThere
  })
  return isWithin ? isThere : undefined
}

/** A foreign key whose rows are still being looked at does nothing to them yet. */
function actionOf(foreignKey: ForeignKey, isRemoved: boolean): ReferentialAction {
  if (!foreignKey.isValid) return 'restrict'
  return isRemoved ? foreignKey.onDelete : foreignKey.onUpdate
}

/** The referring cells in the order of the index by which they are found. */
function lookupCells({ columns }: ForeignKey, { index }: IndexPlan, cells: readonly Value[]): Value[] {
  return index.columns.slice(0, columns.length).map(id => cells[columns.indexOf(id)]!)
}

function hasCells(table: Table, foreignKey: ForeignKey, row: StoredRow, cells: readonly Value[]): boolean {
  return table.positions(foreignKey.columns).every((position, i) => isSameCell(row.cells[position]!, cells[i]!))
}

function isSameAt(a: readonly Value[], b: readonly Value[], positions: readonly number[]): boolean {
  return positions.every(position => isSameCell(a[position]!, b[position]!))
}

function noSuchRow(table: Table, { name }: ForeignKey): Refusal {
  return refuse('foreign_key_violation', `foreign key ${name} of ${table.name}: there is no row that it refers to`)
}

function isReferredTo({ table, foreignKey }: Reference): Refusal {
  return refuse('foreign_key_violation', `a row of ${table.name} refers to the row (foreign key ${foreignKey.name})`)
}
