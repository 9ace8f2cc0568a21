import type { MutationResult, OnConflict, Row, TableMutation, Value } from '../../encoding/index.ts'
import type { EntryWork } from '../entry-work.ts'
import { expiryFrom, isExpired } from '../kv/index.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import type { Table } from '../tables/index.ts'
import type { WorkBudget } from '../work-budget.ts'
import { isRefusal, keyOfCells, keyOfRow, proposeRow } from './cells.ts'
import type { ProposedRow } from './cells.ts'
import { isIndexed, planOf, testCells } from './plan.ts'
import type { IndexPlan } from './plan.ts'
import { policyOf, scanRows } from './scan.ts'
import type { RowCaller } from './scan.ts'
import { Statement } from './statement.ts'
import { readLive, readRow } from './stored-row.ts'
import type { StoredRow } from './stored-row.ts'
import { compileUpdates } from './updates.ts'
import type { CompiledUpdates } from './updates.ts'

type Mutate<T extends TableMutation['type']> = Extract<TableMutation, { type: T }>

/** What a mutation of rows gave: a refusal, or in `result` what it answers. */
export interface RowOutcome {
  result: MutationResult
}

/** Applies a mutation of rows of `table`. Throws `ColdPages`. */
export function applyTableMutation(
  work: EntryWork,
  table: Table,
  mutation: TableMutation,
  caller: RowCaller,
  budget: WorkBudget,
  outcome: RowOutcome,
): Refusal | undefined {
  const rows = new RowMutation(work, table, caller, budget)
  const refusal = rows.apply(mutation)
  outcome.result = rows.result
  return refusal
}

class RowMutation {
  result: MutationResult = undefined
  readonly #work: EntryWork
  readonly #table: Table
  readonly #caller: RowCaller
  readonly #statement: Statement

  constructor(work: EntryWork, table: Table, caller: RowCaller, budget: WorkBudget) {
    this.#work = work
    this.#table = table
    this.#caller = caller
    this.#statement = new Statement(work, budget)
  }

  apply(mutation: TableMutation): Refusal | undefined {
    return this.#change(mutation) ?? this.#statement.finish()
  }

  #change(mutation: TableMutation): Refusal | undefined {
    switch (mutation.type) {
      case 'insert':
        return mutation.onConflict === undefined ? this.#insert(mutation) : this.#merge(mutation, mutation.onConflict)
      case 'upsert':
        return this.#upsert(mutation)
      case 'update':
        return this.#update(mutation)
      case 'delete':
        return this.#delete(mutation)
      case 'updateWhere':
        return this.#updateWhere(mutation)
      case 'deleteWhere':
        return this.#deleteWhere(mutation)
      default:
        throw new RangeError(`mutation ${String(mutation satisfies never)}`)
    }
  }

  #insert({ rows, ttlMs }: Mutate<'insert'>): Refusal | undefined {
    if (rows.length === 0) return noRows()
    const expiresAtMicros = this.#expiry(ttlMs)
    for (const row of rows) {
      const proposed = this.#propose(row)
      if (isRefusal(proposed)) return proposed
      const { key, cells } = proposed
      const old = readRow(this.#work.changes, this.#table, key)
      const refusal = this.#isLive(old)
        ? (this.#statement.check(planOf(this.#table), cells) ?? duplicate(this.#table))
        : this.#statement.store(this.#table, key, old, cells, expiresAtMicros)
      if (refusal !== undefined) return refusal
    }
    return undefined
  }

  #upsert({ rows, ttlMs }: Mutate<'upsert'>): Refusal | undefined {
    if (rows.length === 0) return noRows()
    const expiresAtMicros = this.#expiry(ttlMs)
    for (const row of rows) {
      const proposed = this.#propose(row)
      if (isRefusal(proposed)) return proposed
      const old = readRow(this.#work.changes, this.#table, proposed.key)
      if (this.#isLive(old) && !this.#sees(old)) return hidden()
      const refusal = this.#statement.store(this.#table, proposed.key, old, proposed.cells, expiresAtMicros)
      if (refusal !== undefined) return refusal
    }
    return undefined
  }

  /** Inserts rows, each of which may meet one that is there: then `onConflict` says what becomes of that. */
  #merge({ rows, ttlMs }: Mutate<'insert'>, onConflict: OnConflict): Refusal | undefined {
    if (rows.length === 0) return noRows()
    const target = this.#target(onConflict)
    if (target !== 'key' && 'code' in target) return target
    const { action } = onConflict
    const updates =
      typeof action === 'object'
        ? compileUpdates(this.#table, action.update, this.#work.state.settings, true)
        : undefined
    if (updates !== undefined && isRefusal(updates)) return updates
    let changed = 0n
    for (const row of rows) {
      const proposed = this.#propose(row)
      if (isRefusal(proposed)) return proposed
      const found = this.#conflicting(target, proposed)
      if (found !== undefined && isRefusal(found)) return found
      if (found !== undefined && action === 'nothing') continue
      const refusal =
        found === undefined
          ? this.#insertProposed(proposed, this.#expiry(ttlMs))
          : this.#resolve(found, proposed, updates, ttlMs)
      if (refusal !== undefined) return refusal
      changed++
    }
    this.result = changed
    return undefined
  }

  #insertProposed({ key, cells }: KeyedRow, expiresAtMicros: number): Refusal | undefined {
    const old = readRow(this.#work.changes, this.#table, key)
    if (!this.#isLive(old)) return this.#statement.store(this.#table, key, old, cells, expiresAtMicros)
    return this.#statement.check(planOf(this.#table), cells) ?? duplicate(this.#table)
  }

  /** The row that is there keeps its key, and its expiry unless the mutation gives one. */
  #resolve(
    found: StoredRow,
    proposed: KeyedRow,
    updates: CompiledUpdates | undefined,
    ttlMs: number | undefined,
  ): Refusal | undefined {
    if (!this.#sees(found)) return hidden()
    const cells = updates === undefined ? this.#merged(found, proposed) : updates.apply(found.cells, proposed.cells)
    if (!Array.isArray(cells)) return cells
    const expiresAtMicros = ttlMs === undefined ? found.expiresAtMicros : this.#expiry(ttlMs)
    return this.#statement.store(this.#table, found.key, found, cells, expiresAtMicros)
  }

  /** Cells that were given, and not as Null, take the place of those that are there. */
  #merged(found: StoredRow, { cells, isGiven }: KeyedRow): Value[] {
    return found.cells.map((cell, position) => {
      const isKept = !isGiven[position]! || cells[position] === null || this.#table.keyParts[position]! >= 0
      return isKept ? cell : cells[position]!
    })
  }

  /** What a conflict is looked for in: the primary key or a unique index. */
  #target({ target }: OnConflict): 'key' | IndexPlan | Refusal {
    if (target === undefined) return 'key'
    const { indexes } = planOf(this.#table)
    let found: IndexPlan | undefined
    if ('index' in target) {
      found = indexes.find(({ index }) => index.name === target.index)
      if (found === undefined) return refuse('index_not_found', `${this.#table.name} has no index ${target.index}`)
    } else {
      const positions = target.columns.map(name => this.#table.position(name))
      if (positions.includes(undefined)) return refuse('column_not_found', `${this.#table.name} has no such column`)
      if (isSameSet(positions, this.#table.keyPositions)) return 'key'
      found = indexes.find(({ index, positions: own }) => index.isUnique && isSameSet(positions, own))
    }
    if (found?.index.isUnique !== true) {
      return refuse('invalid_argument', 'a conflict is looked for in the primary key or a unique index')
    }
    return found.index.isReady ? found : refuse('invalid_argument', 'the index is still being built')
  }

  #conflicting(target: 'key' | IndexPlan, { key, cells }: KeyedRow): StoredRow | Refusal | undefined {
    if (target === 'key') return readLive(this.#work, this.#table, key)
    if (!isIndexed(target, cells)) return undefined
    const other = this.#statement.findOther(this.#table, target, cells, undefined)
    return other instanceof Uint8Array ? readLive(this.#work, this.#table, other) : other
  }

  #update({ key, set }: Mutate<'update'>): Refusal | undefined {
    const updates = compileUpdates(this.#table, set, this.#work.state.settings, false)
    if (isRefusal(updates)) return updates
    const fullKey = keyOfRow(this.#table, key, this.#work.state.settings)
    if (!(fullKey instanceof Uint8Array)) return fullKey
    const row = readLive(this.#work, this.#table, fullKey)
    if (row === undefined || !this.#sees(row)) return refuse('row_not_found', `${this.#table.name} has no such row`)
    return this.#updateRow(row, updates)
  }

  #updateRow(row: StoredRow, updates: CompiledUpdates): Refusal | undefined {
    const cells = updates.apply(row.cells)
    if (!Array.isArray(cells)) return cells
    return this.#statement.store(this.#table, row.key, row, cells, row.expiresAtMicros)
  }

  #delete({ key }: Mutate<'delete'>): Refusal | undefined {
    const fullKey = keyOfRow(this.#table, key, this.#work.state.settings)
    if (!(fullKey instanceof Uint8Array)) return fullKey
    const row = readLive(this.#work, this.#table, fullKey)
    const isThere = row !== undefined && this.#sees(row)
    this.result = isThere
    return isThere ? this.#statement.remove(this.#table, row) : undefined
  }

  #updateWhere({ where, set, limit }: Mutate<'updateWhere'>): Refusal | undefined {
    const updates = compileUpdates(this.#table, set, this.#work.state.settings, false)
    if (isRefusal(updates)) return updates
    return this.#eachSelected(where, limit, row => this.#updateRow(row, updates))
  }

  #deleteWhere({ where, limit }: Mutate<'deleteWhere'>): Refusal | undefined {
    return this.#eachSelected(where, limit, row => this.#statement.remove(this.#table, row))
  }

  /** Selects first and changes afterwards; a row that went with another one counts no more. */
  #eachSelected(
    where: Mutate<'deleteWhere'>['where'],
    limit: number | undefined,
    change: (row: StoredRow) => Refusal | undefined,
  ): Refusal | undefined {
    if (limit !== undefined && (!Number.isSafeInteger(limit) || limit < 1)) {
      return refuse('invalid_argument', 'a limit is at least 1')
    }
    const keys: Uint8Array[] = []
    const tooLarge = scanRows(this.#work, this.#table, where, this.#caller, this.#statement.budget, key => {
      keys.push(key.slice())
      return limit === undefined || keys.length < limit
    })
    if (tooLarge !== undefined) return tooLarge
    let changed = 0n
    for (const key of keys) {
      const row = readLive(this.#work, this.#table, key)
      if (row === undefined) continue
      const refusal = change(row)
      if (refusal !== undefined) return refusal
      changed++
    }
    this.result = changed
    return undefined
  }

  #propose(row: Row): KeyedRow | Refusal {
    const { settings } = this.#work.state
    const proposed = proposeRow(this.#table, row, settings, this.#work.timeMicros)
    if (isRefusal(proposed)) return proposed
    const key = keyOfCells(this.#table, proposed.cells, settings)
    return key instanceof Uint8Array ? { ...proposed, key } : key
  }

  #expiry(ttlMs: number | undefined): number {
    return ttlMs === undefined ? 0 : expiryFrom(this.#work.timeMicros, ttlMs)
  }

  #isLive(row: StoredRow | undefined): row is StoredRow {
    return row !== undefined && !isExpired(row, this.#work.timeMicros)
  }

  #sees(row: StoredRow): boolean {
    const policy = policyOf(this.#table, this.#caller)
    return policy === undefined || testCells(policy, row.cells) === true
  }
}

interface KeyedRow extends ProposedRow {
  readonly key: Uint8Array
}

function isSameSet(a: readonly (number | undefined)[], b: readonly number[]): boolean {
  return a.length === b.length && b.every(position => a.includes(position))
}

function noRows(): Refusal {
  return refuse('invalid_argument', 'there are no rows to be written')
}

function duplicate(table: Table): Refusal {
  return refuse('duplicate_key', `${table.name} has a row with this primary key`)
}

function hidden(): Refusal {
  return refuse('permission_denied', 'the row is one that the caller may not see')
}
