import { compareColumnValues, integerRange, MISMATCH, narrow, toColumnValue } from '../../encoding/index.ts'
import type {
  ColumnDefinition,
  Expr,
  ForeignKeyDefinition,
  IndexDefinition,
  Mutation,
  MutationResult,
  OnConflict,
  Row,
  TableMutation,
  UpdateExpr,
  Updates,
  Value,
} from '../../encoding/index.ts'
import { evaluate } from './reference-conditions.ts'

export interface ReferenceRow {
  cells: Record<string, Value>
  seq: number
  createdSeq: number
  expiresAtMicros: number
}

export interface ReferenceTable {
  name: string
  columns: ColumnDefinition[]
  primaryKey: string[]
  indexes: IndexDefinition[]
  checks: { name: string; check: Expr }[]
  foreignKeys: ForeignKeyDefinition[]
  /** Rows that it is not true for are hidden. */
  policy?: Expr
  rows: ReferenceRow[]
}

/** Whether the caller of a mutation sees a row. */
export type Sight = (table: ReferenceTable, cells: Readonly<Record<string, Value>>) => boolean

const SEES_ALL: Sight = () => true

class Refused extends Error {
  readonly code: string
  constructor(code: string) {
    super(code)
    this.code = code
  }
}

type Result = MutationResult

const TABLE_MUTATIONS: ReadonlySet<string> = new Set([
  'insert',
  'upsert',
  'update',
  'delete',
  'updateWhere',
  'deleteWhere',
])

export function isTableMutation(mutation: Mutation): mutation is TableMutation {
  return TABLE_MUTATIONS.has(mutation.type)
}

/**
 * What tables must do, said in the plainest way: rows in arrays, every rule a look at all rows, a copy of everything for each transaction.
 * Tables stand in the order in which they were created.
 */
export class ReferenceTables {
  tables: ReferenceTable[] = []
  #seq = 0
  #saved: ReferenceTable[] | undefined
  #timeMicros = 0
  /** Of whoever makes the mutation under way. */
  #sees: Sight = SEES_ALL
  /** Of the mutation under way: rows whose references must be there in the end, and what may not be referred to. */
  #referring: { table: ReferenceTable; row: ReferenceRow; key: ForeignKeyDefinition }[] = []
  #lost: { table: ReferenceTable; key: ForeignKeyDefinition; cells: Value[] }[] = []

  table(name: string): ReferenceTable {
    return this.tables.find(table => table.name === name)!
  }

  /** What follows belongs to the transaction of entry `seq`. */
  begin(seq: number, timeMicros: number): void {
    this.#seq = seq
    this.#timeMicros = timeMicros
    this.#saved = undefined
  }

  /** The tables as they were before the transaction, if it may have changed them. */
  get before(): readonly ReferenceTable[] | undefined {
    return this.#saved
  }

  /** Undoes what the transaction has changed. */
  rollBack(): void {
    if (this.#saved !== undefined) this.tables = this.#saved
  }

  /** To be called before the tables themselves are changed within a transaction. */
  save(): void {
    this.#saved ??= this.tables.map(copyOf)
  }

  /** The result of a mutation, or the code with which it is refused; then the transaction is to be rolled back. */
  mutate(mutation: TableMutation, sees: Sight = SEES_ALL): { readonly result: MutationResult } | string {
    this.save()
    this.#sees = sees
    try {
      return { result: this.#mutate(mutation) }
    } catch (error) {
      if (error instanceof Refused) return error.code
      throw error
    }
  }

  /** The outcome of a transaction, a refusal by its code. `before` changes the tables first, as part of it. */
  apply(
    seq: number,
    timeMicros: number,
    mutations: readonly Mutation[],
    before: () => void = () => undefined,
  ): string | MutationResult[] {
    this.begin(seq, timeMicros)
    this.save()
    before()
    const results: MutationResult[] = []
    for (const mutation of mutations) {
      const found = this.mutate(mutation as TableMutation)
      if (typeof found === 'string') {
        this.rollBack()
        return found
      }
      results.push(found.result)
    }
    return results
  }

  /** Removes the rows whose time has come, in the order of (expiry, table, key), at most so many. Returns how many. */
  tick(timeMicros: number, rowsMax: number = Number.POSITIVE_INFINITY): number {
    this.#timeMicros = timeMicros
    if (!this.tables.some(({ rows }) => rows.some(row => !this.#isLive(row)))) return 0
    this.save()
    const due = this.tables.flatMap((table, at) =>
      this.#sorted(table)
        .filter(row => !this.#isLive(row))
        .map(row => ({ row, at, table })),
    )
    due.sort((a, b) => a.row.expiresAtMicros - b.row.expiresAtMicros || a.at - b.at)
    const removed = due.slice(0, rowsMax)
    for (const { row, table } of removed) table.rows = table.rows.filter(other => other !== row)
    return removed.length
  }

  /** A stored row whose time was over at `timeMicros`. */
  findDue(timeMicros: number): string | undefined {
    for (const { name, rows } of this.tables) {
      const due = rows.find(({ expiresAtMicros }) => expiresAtMicros !== 0 && expiresAtMicros <= timeMicros)
      if (due !== undefined) return `the version ${due.seq} of a row of ${name}`
    }
    return undefined
  }

  /** The unexpired row with this primary key. */
  find(table: ReferenceTable, key: Readonly<Record<string, Value>>): ReferenceRow | undefined {
    return this.#find(table, key)
  }

  /** The time that rows are looked at from now on. */
  passTo(timeMicros: number): void {
    this.#timeMicros = timeMicros
  }

  live(table: ReferenceTable): ReferenceRow[] {
    return this.#sorted(table).filter(row => this.#isLive(row))
  }

  #unordered(table: ReferenceTable): ReferenceRow[] {
    return table.rows.filter(row => this.#isLive(row))
  }

  #sorted(table: ReferenceTable): ReferenceRow[] {
    return table.rows.toSorted((a, b) => {
      for (const column of table.primaryKey) {
        const order = compareColumnValues(a.cells[column]!, b.cells[column]!)
        if (order !== 0) return order
      }
      return 0
    })
  }

  #isLive(row: ReferenceRow): boolean {
    return row.expiresAtMicros === 0 || row.expiresAtMicros > this.#timeMicros
  }

  #mutate(mutation: TableMutation): Result {
    const table = this.tables.find(({ name }) => name === mutation.table)
    if (table === undefined) throw new Refused('table_not_found')
    this.#referring = []
    this.#lost = []
    const result = this.#change(table, mutation)
    for (const { table: from, row, key } of this.#referring) {
      if (!from.rows.includes(row) || !this.#isLive(row)) continue
      const cells = key.columns.map(column => row.cells[column]!)
      if (!hasNull(cells) && !this.#isThere(key, cells)) throw new Refused('foreign_key_violation')
    }
    for (const { table: from, key, cells } of this.#lost) {
      if (!this.#isThere(key, cells) && this.#children(from, key, cells).length > 0) {
        throw new Refused('foreign_key_violation')
      }
    }
    return result
  }

  #change(table: ReferenceTable, mutation: TableMutation): Result {
    switch (mutation.type) {
      case 'insert':
        if (mutation.onConflict !== undefined) return this.#merge(table, mutation, mutation.onConflict)
        for (const row of mutation.rows) this.#insert(table, this.#propose(table, row), this.#expiry(mutation.ttlMs))
        return undefined
      case 'upsert':
        for (const row of mutation.rows) {
          const cells = this.#propose(table, row)
          const found = this.#find(table, cells)
          if (found !== undefined && !this.#sees(table, found.cells)) throw new Refused('permission_denied')
          this.#store(table, found, cells, this.#expiry(mutation.ttlMs), 0)
        }
        return undefined
      case 'update': {
        checkUpdates(table, mutation.set, false)
        const row = this.#find(table, mutation.key)
        if (row === undefined || !this.#sees(table, row.cells)) throw new Refused('row_not_found')
        this.#store(table, row, updated(table, row.cells, mutation.set, {}), row.expiresAtMicros, 0)
        return undefined
      }
      case 'delete': {
        const row = this.#find(table, mutation.key)
        if (row === undefined || !this.#sees(table, row.cells)) return false
        this.#remove(table, row, 0)
        return true
      }
      case 'updateWhere':
        checkUpdates(table, mutation.set, false)
        return this.#each(table, mutation.where, mutation.limit, row =>
          this.#store(table, row, updated(table, row.cells, mutation.set, {}), row.expiresAtMicros, 0),
        )
      case 'deleteWhere':
        return this.#each(table, mutation.where, mutation.limit, row => this.#remove(table, row, 0))
      default:
        throw new Error('no such mutation')
    }
  }

  #each(table: ReferenceTable, where: Expr | undefined, limit = Infinity, change: (row: ReferenceRow) => void): bigint {
    const keys = this.live(table)
      .filter(({ cells }) => (where === undefined || evaluate(where, cells) === true) && this.#sees(table, cells))
      .slice(0, limit)
      .map(({ cells }) => cells)
    let count = 0n
    for (const cells of keys) {
      const row = this.#find(table, cells)
      if (row === undefined) continue
      change(row)
      count++
    }
    return count
  }

  #expiry(ttlMs: number | undefined): number {
    return ttlMs === undefined ? 0 : this.#timeMicros + ttlMs * 1000
  }

  #find(table: ReferenceTable, key: Readonly<Record<string, Value>>): ReferenceRow | undefined {
    return this.#unordered(table).find(({ cells }) => table.primaryKey.every(name => isEqual(cells[name]!, key[name]!)))
  }

  #propose(table: ReferenceTable, row: Row): Record<string, Value> {
    const cells: Record<string, Value> = {}
    for (const column of table.columns) {
      cells[column.name] = column.defaultNow === true ? this.#timeMicros : (column.default ?? null)
    }
    for (const [name, value] of Object.entries(row)) cells[name] = converted(table, name, value)
    if (table.primaryKey.some(name => cells[name] === null)) throw new Refused('not_null_violation')
    return cells
  }

  #insert(table: ReferenceTable, cells: Record<string, Value>, expiresAtMicros: number): void {
    if (this.#find(table, cells) !== undefined) {
      this.#check(table, cells)
      throw new Refused('duplicate_key')
    }
    this.#store(table, undefined, cells, expiresAtMicros, 0)
  }

  #merge(table: ReferenceTable, { rows, ttlMs }: { rows: readonly Row[]; ttlMs?: number }, on: OnConflict): bigint {
    const index = table.indexes.find(
      ({ name }) => on.target !== undefined && 'index' in on.target && name === on.target.index,
    )
    const { action } = on
    if (typeof action === 'object') checkUpdates(table, action.update, true)
    let count = 0n
    for (const row of rows) {
      const proposed = this.#propose(table, row)
      const found =
        index === undefined ? this.#find(table, proposed) : this.#others(table, index, proposed, undefined)[0]
      if (found !== undefined && action === 'nothing') continue
      count++
      if (found === undefined) {
        this.#insert(table, proposed, this.#expiry(ttlMs))
        continue
      }
      if (!this.#sees(table, found.cells)) throw new Refused('permission_denied')
      const cells = { ...found.cells }
      if (typeof action === 'object') Object.assign(cells, updated(table, found.cells, action.update, proposed))
      else {
        for (const name of Object.keys(row)) {
          if (proposed[name] !== null && !table.primaryKey.includes(name)) cells[name] = proposed[name]!
        }
      }
      this.#store(table, found, cells, ttlMs === undefined ? found.expiresAtMicros : this.#expiry(ttlMs), 0)
    }
    return count
  }

  #check(table: ReferenceTable, cells: Record<string, Value>): void {
    for (const { name, nullable } of table.columns) {
      if (cells[name] === null && nullable !== true) throw new Refused('not_null_violation')
    }
    for (const { check } of table.checks) if (evaluate(check, cells) === false) throw new Refused('check_failed')
  }

  /** Other rows with the same values in a unique index. */
  #others(
    table: ReferenceTable,
    index: IndexDefinition,
    cells: Record<string, Value>,
    own: ReferenceRow | undefined,
  ): ReferenceRow[] {
    const isIn = (row: Record<string, Value>): boolean =>
      index.where === undefined || evaluate(index.where, row) === true
    if (!isIn(cells) || index.columns.some(name => cells[name] === null)) return []
    return this.#unordered(table).filter(
      row => row !== own && isIn(row.cells) && index.columns.every(name => isEqual(row.cells[name]!, cells[name]!)),
    )
  }

  #store(
    table: ReferenceTable,
    row: ReferenceRow | undefined,
    cells: Record<string, Value>,
    expiresAtMicros: number,
    depth: number,
  ): void {
    this.#check(table, cells)
    for (const index of table.indexes) {
      if (index.unique === true && this.#others(table, index, cells, row).length > 0)
        throw new Refused('unique_violation')
    }
    const before = row?.cells
    // An expired row under the same key makes way.
    if (row === undefined) {
      table.rows = table.rows.filter(({ cells: other }) =>
        table.primaryKey.some(name => !isEqual(other[name]!, cells[name]!)),
      )
    }
    const stored = row ?? { cells, seq: 0, createdSeq: this.#seq, expiresAtMicros }
    Object.assign(stored, { cells, seq: this.#seq, expiresAtMicros })
    if (row === undefined) table.rows.push(stored)
    for (const key of table.foreignKeys) {
      if (before === undefined || key.columns.some(name => !isEqual(before[name]!, cells[name]!))) {
        this.#referring.push({ table, row: stored, key })
      }
    }
    for (const from of this.tables) {
      for (const key of from.foreignKeys.filter(other => other.table === table.name)) {
        const names = key.references ?? table.primaryKey
        const after = names.map(name => cells[name]!)
        if (expiresAtMicros !== 0) this.#lost.push({ table: from, key, cells: after })
        if (before === undefined || names.every(name => isEqual(before[name]!, cells[name]!))) continue
        this.#follow(
          from,
          key,
          names.map(name => before[name]!),
          after,
          depth,
        )
      }
    }
  }

  #remove(table: ReferenceTable, row: ReferenceRow, depth: number): void {
    table.rows = table.rows.filter(other => other !== row)
    for (const from of this.tables) {
      for (const key of from.foreignKeys.filter(other => other.table === table.name)) {
        this.#follow(
          from,
          key,
          (key.references ?? table.primaryKey).map(name => row.cells[name]!),
          undefined,
          depth,
        )
      }
    }
  }

  #follow(
    from: ReferenceTable,
    key: ForeignKeyDefinition,
    before: Value[],
    after: Value[] | undefined,
    depth: number,
  ): void {
    const action = (after === undefined ? key.onDelete : key.onUpdate) ?? 'restrict'
    if (action === 'restrict' || action === 'noAction' || action === 'setDefault') {
      this.#lost.push({ table: from, key, cells: before })
      if (action !== 'setDefault') return
    }
    const children = this.#children(from, key, before)
    if (children.length > 0 && depth === 8) throw new Refused('foreign_key_violation')
    for (const child of children) {
      const refersStill = key.columns.every((name, i) => isEqual(child.cells[name]!, before[i]!))
      if (!from.rows.includes(child) || !refersStill) continue
      if (action === 'cascade' && after === undefined) {
        this.#remove(from, child, depth + 1)
        continue
      }
      const cells = { ...child.cells }
      key.columns.forEach((name, i) => {
        const column = from.columns.find(other => other.name === name)!
        cells[name] = action === 'cascade' ? after![i]! : action === 'setNull' ? null : (column.default ?? null)
      })
      this.#store(from, child, cells, child.expiresAtMicros, depth + 1)
    }
  }

  #children(from: ReferenceTable, key: ForeignKeyDefinition, cells: Value[]): ReferenceRow[] {
    if (hasNull(cells)) return []
    return this.live(from).filter(row => key.columns.every((name, i) => isEqual(row.cells[name]!, cells[i]!)))
  }

  #isThere(key: ForeignKeyDefinition, cells: Value[]): boolean {
    const table = this.table(key.table)
    const names = key.references ?? table.primaryKey
    return this.#unordered(table).some(
      row => row.expiresAtMicros === 0 && names.every((name, i) => isEqual(row.cells[name]!, cells[i]!)),
    )
  }

  /** Whether all rows fit a rule that is to be added. */
  fits(
    table: ReferenceTable,
    rule: { notNull?: string; check?: Expr; index?: IndexDefinition; foreignKey?: ForeignKeyDefinition },
  ): boolean {
    const { notNull, check, index, foreignKey } = rule
    return this.live(table).every(row => {
      if (notNull !== undefined) return row.cells[notNull] !== null
      if (check !== undefined) return evaluate(check, row.cells) !== false
      if (index !== undefined) return this.#others(table, index, row.cells, row).length === 0
      const cells = foreignKey!.columns.map(name => row.cells[name]!)
      return hasNull(cells) || this.#isThere(foreignKey!, cells)
    })
  }
}

/** Cells are never changed in place. */
function copyOf(table: ReferenceTable): ReferenceTable {
  return {
    ...table,
    indexes: [...table.indexes],
    checks: [...table.checks],
    foreignKeys: [...table.foreignKeys],
    rows: table.rows.map(row => ({ ...row })),
  }
}

function hasNull(cells: readonly Value[]): boolean {
  return cells.some(cell => cell === null)
}

function isEqual(a: Value, b: Value): boolean {
  return compareColumnValues(a, b) === 0
}

function converted(table: ReferenceTable, name: string, value: Value): Value {
  const column = table.columns.find(other => other.name === name)
  if (column === undefined) throw new Refused('column_not_found')
  const cell = toColumnValue(column.type, value)
  if (cell === MISMATCH) throw new Refused('type_mismatch')
  return cell
}

function checkUpdates(table: ReferenceTable, set: Updates, mayPropose: boolean): void {
  for (const [name, update] of Object.entries(set)) {
    const type = table.columns.find(column => column.name === name)?.type
    if (type === undefined) throw new Refused('column_not_found')
    if (table.primaryKey.includes(name)) throw new Refused('invalid_argument')
    if ('set' in update) converted(table, name, update.set)
    else if ('coalesce' in update) converted(table, name, update.coalesce)
    else if ('add' in update || 'subtract' in update) {
      if (integerRange(type) === undefined) throw new Refused('type_mismatch')
    } else if (!mayPropose && !('copy' in update)) throw new Refused('invalid_argument')
    else {
      const from = 'copy' in update ? update.copy : 'proposed' in update ? update.proposed : update.addProposed
      const other = table.columns.find(column => column.name === from)?.type
      if (other === undefined) throw new Refused('column_not_found')
      if (
        'addProposed' in update ? integerRange(other) === undefined || integerRange(type) === undefined : other !== type
      ) {
        throw new Refused('type_mismatch')
      }
    }
  }
}

function updated(
  table: ReferenceTable,
  cells: Readonly<Record<string, Value>>,
  set: Updates,
  proposed: Readonly<Record<string, Value>>,
): Record<string, Value> {
  const next = { ...cells }
  for (const [name, update] of Object.entries(set)) next[name] = compute(table, name, update, next, proposed)
  return next
}

function compute(
  table: ReferenceTable,
  name: string,
  update: UpdateExpr,
  cells: Readonly<Record<string, Value>>,
  proposed: Readonly<Record<string, Value>>,
): Value {
  const cell = cells[name]!
  if ('set' in update) return converted(table, name, update.set)
  if ('coalesce' in update) return cell ?? converted(table, name, update.coalesce)
  if ('copy' in update) return cells[update.copy]!
  if ('proposed' in update) return proposed[update.proposed]!
  const by =
    'add' in update ? update.add : 'subtract' in update ? -BigInt(update.subtract) : proposed[update.addProposed]!
  if (cell === null || by === null) return null
  const sum = BigInt(cell as number) + BigInt(by as number)
  const { type } = table.columns.find(column => column.name === name)!
  const { min, max } = integerRange(type)!
  if (sum > max) throw new Refused('overflow')
  if (sum < min) throw new Refused('underflow')
  return narrow(sum)
}
