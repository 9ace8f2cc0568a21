import type {
  ColumnDefinition,
  Expr,
  ForeignKeyDefinition,
  IndexDefinition,
  Mutation,
  OnConflict,
  ReferentialAction,
  Row,
  TableAlteration,
  UpdateExpr,
  Value,
} from '../../../src/encoding/index.ts'
import type { SeededRandom } from '../../../src/platform/simulated/index.ts'
import { addColumn, dropColumn, renameColumn } from '../../../src/testing/simulation/reference-alterations.ts'
import type { ReferenceTable, ReferenceTables } from '../../../src/testing/simulation/reference-tables.ts'

const TEXTS = ['x', 'y', 'z', 'a', 'a\0', 'a\0b', '']
const FLOATS = [0, -0, 0.5, -1, 1e300]
const ACTIONS: ReferentialAction[] = ['restrict', 'cascade', 'cascade', 'setNull', 'setDefault', 'noAction']

/** A change of the tables, of which `apply` tells the oracle; `isRule`: it holds only if the rows fit it. */
export interface Change {
  table: string
  alteration: TableAlteration | { type: 'createIndex'; index: IndexDefinition } | { type: 'dropIndex'; name: string }
  isRule: boolean
  fits: () => boolean
  apply: () => void
}

/** Random tables, rows and changes of tables, of few enough values that rules are met about as often as not. */
export class Generator {
  readonly #random: SeededRandom
  readonly #oracle: ReferenceTables
  #names = 0

  constructor(random: SeededRandom, oracle: ReferenceTables) {
    this.#random = random
    this.#oracle = oracle
  }

  below(count: number): number {
    return this.#random.u32() % count
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!
  }

  isChance(inverse: number): boolean {
    return this.below(inverse) === 0
  }

  name(prefix: string): string {
    return `${prefix}${this.#names++}`
  }

  table(): ReferenceTable {
    const hasPair = this.isChance(4)
    const columns: ColumnDefinition[] = [
      { name: 'a', type: 'integer', nullable: true, ...(this.isChance(2) && { default: this.below(6) }) },
      { name: 'id', type: 'integer' },
      { name: 'b', type: 'text', nullable: true, ...(this.isChance(2) && { default: 'x' }) },
      { name: 'c', type: 'u8', default: 3 },
      { name: 'k', type: 'text', default: 'k' },
      { name: 'f', type: 'float', nullable: true },
    ]
    const table: ReferenceTable = {
      name: this.name('t'),
      columns,
      primaryKey: hasPair ? ['k', 'id'] : ['id'],
      indexes: [],
      checks: this.isChance(3) ? [{ name: this.name('check'), check: this.check() }] : [],
      foreignKeys: [],
      rows: [],
    }
    if (this.isChance(2)) table.indexes.push({ name: this.name('i'), columns: ['b'], unique: true })
    if (this.isChance(2)) table.indexes.push(this.index())
    const key = this.isChance(2) ? this.foreignKey(table) : undefined
    if (key !== undefined) table.foreignKeys.push(key)
    return table
  }

  index(): IndexDefinition {
    const columns = this.pick([['a'], ['b'], ['c', 'a'], ['f'], ['c', 'b', 'a'], ['k']])
    return {
      name: this.name('i'),
      columns,
      ...(this.isChance(3) && { unique: true }),
      ...(this.isChance(4) && { kind: 'hash' as const }),
      ...(this.isChance(3) && { where: this.condition() }),
    }
  }

  check(): Expr {
    return this.pick<Expr>([
      { op: 'gte', column: 'c', value: 1 },
      {
        op: 'or',
        args: [
          { op: 'lt', column: 'a', value: 11 },
          { op: 'isNull', column: 'a' },
        ],
      },
      { op: 'not', arg: { op: 'eq', column: 'b', value: 'z' } },
    ])
  }

  /** To a table that was created before this one, or to itself: never in a circle. */
  foreignKey(table: ReferenceTable): ForeignKeyDefinition | undefined {
    const { tables } = this.#oracle
    const at = tables.indexOf(table)
    const target = this.pick([...(at < 0 ? tables : tables.slice(0, at)), table])
    const common = {
      name: this.name('fk'),
      table: target.name,
      onDelete: this.pick(ACTIONS),
      onUpdate: this.pick(ACTIONS),
    }
    const hasUniqueText = target.indexes.some(
      ({ unique, where, columns }) => unique === true && where === undefined && columns.join() === 'b',
    )
    if (hasUniqueText && this.isChance(2)) return { ...common, columns: ['b'], references: ['b'] }
    return target.primaryKey.length === 1 ? { ...common, columns: ['a'] } : undefined
  }

  cell(name: string): Value {
    switch (name) {
      case 'id':
        return this.below(12)
      case 'a':
        return this.isChance(5) ? null : this.below(12)
      case 'b':
        return this.isChance(5) ? null : this.pick(TEXTS)
      case 'c':
        return this.below(5)
      case 'k':
        return this.pick(TEXTS)
      case 'f':
        return this.isChance(5) ? null : this.pick(FLOATS)
      default:
        return this.isChance(5) ? null : this.below(3)
    }
  }

  row(table: ReferenceTable): Row {
    const row: Record<string, Value> = { id: this.cell('id') }
    if (table.primaryKey.includes('k')) row['k'] = this.cell('k')
    for (const { name } of table.columns) if (this.isChance(2)) row[name] ??= this.cell(name)
    if (this.isChance(25)) Object.assign(row, this.pick([{ nope: 1 }, { c: 256 }, { id: null }]))
    return row
  }

  key(table: ReferenceTable): Row {
    const { rows } = table
    const cells = rows.length > 0 && !this.isChance(4) ? this.pick(rows).cells : this.row(table)
    return Object.fromEntries(table.primaryKey.map(name => [name, cells[name] ?? this.cell(name) ?? 'x']))
  }

  condition(): Expr {
    const column = this.pick(['a', 'b', 'c', 'f', 'id'])
    const value = this.cell(column) ?? (column === 'b' ? 'x' : 2)
    switch (this.below(11)) {
      case 8:
        return { op: 'and', args: ['c', 'a', 'b'].map(name => this.#equality(name)).slice(0, 2 + this.below(2)) }
      case 9:
        return {
          op: 'and',
          args: [this.#equality('c'), { op: this.pick(['lt', 'gte'] as const), column: 'a', value: this.below(9) }],
        }
      case 10:
        return {
          op: 'and',
          args: [
            { op: 'gte', column: 'a', value: this.below(5) },
            { op: 'lt', column: 'a', value: this.below(12) },
          ],
        }
      case 0:
        return { op: 'isNull', column }
      case 1:
        return { op: 'not', arg: { op: 'eq', column, value } }
      case 2:
        return {
          op: 'and',
          args: [
            { op: 'gte', column: 'c', value: this.below(4) },
            { op: 'ne', column, value },
          ],
        }
      case 3:
        return {
          op: 'or',
          args: [
            { op: 'lt', column: 'id', value: this.below(12) },
            { op: 'eq', column, value },
          ],
        }
      case 4:
        return { op: 'isNotNull', column }
      default:
        return { op: this.pick(['eq', 'lt', 'gte', 'ne'] as const), column, value }
    }
  }

  #equality(column: string): Expr {
    return { op: 'eq', column, value: this.cell(column) ?? (column === 'b' ? 'x' : 1) }
  }

  updates(table: ReferenceTable, mayPropose: boolean): Record<string, UpdateExpr> {
    const updates: Record<string, UpdateExpr> = {}
    const names = table.columns.map(({ name }) => name).filter(name => !table.primaryKey.includes(name))
    for (let i = this.below(2); i >= 0; i--) {
      const name = this.pick(names)
      const choice = this.below(mayPropose ? 7 : 5)
      if (choice < 2) updates[name] = { set: this.cell(name) }
      else if (choice === 2) updates[name] = { coalesce: this.cell(name) ?? this.cell(name) }
      else if (choice === 3)
        updates['a'] = this.isChance(2) ? { add: this.below(4) } : { subtract: BigInt(this.below(4)) }
      else if (choice === 4) updates[name] = { copy: this.isChance(9) ? this.pick(names) : name }
      else if (choice === 5) updates[name] = { proposed: name }
      else updates['a'] = { addProposed: this.pick(['a', 'c', 'id']) }
    }
    if (this.isChance(50)) updates['id'] = { set: 1 }
    if (this.isChance(50)) updates['c'] = { add: 300 }
    return updates
  }

  mutation(): Mutation {
    const table = this.pick(this.#oracle.tables)
    const target = { project: 'p', table: table.name }
    const ttl = this.isChance(10) && { ttlMs: 1 + this.below(3) }
    const rows = Array.from({ length: 1 + (this.isChance(4) ? this.below(4) : 0) }, () => this.row(table))
    const where = this.isChance(4) ? {} : { where: this.condition() }
    const limit = this.isChance(2) && { limit: 1 + this.below(3) }
    switch (this.below(14)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return { type: 'insert', ...target, rows, ...ttl }
      case 4:
        return { type: 'insert', ...target, rows, ...ttl, onConflict: this.onConflict(table) }
      case 5:
      case 6:
        return { type: 'upsert', ...target, rows, ...ttl }
      case 7:
      case 8:
      case 9:
        return { type: 'update', ...target, key: this.key(table), set: this.updates(table, this.isChance(60)) }
      case 10:
        return { type: 'updateWhere', ...target, ...where, set: this.updates(table, false), ...limit }
      case 11:
        return { type: 'deleteWhere', ...target, where: this.condition(), ...limit }
      default:
        return { type: 'delete', ...target, key: this.key(table) }
    }
  }

  onConflict(table: ReferenceTable): OnConflict {
    const unique = table.indexes.filter(index => index.unique === true)
    const action = this.pick<OnConflict['action']>(['nothing', 'merge', 'merge', { update: this.updates(table, true) }])
    return unique.length > 0 && this.isChance(2) ? { target: { index: this.pick(unique).name }, action } : { action }
  }

  /** A change of some table; undefined if there is none of the kind that came up. */
  change(): Change | undefined {
    const table = this.pick(this.#oracle.tables)
    const change = this.#changeOf(table)
    return change === undefined ? undefined : { isRule: false, fits: () => true, ...change, table: table.name }
  }

  #changeOf(table: ReferenceTable): (Pick<Change, 'alteration' | 'apply'> & Partial<Change>) | undefined {
    const extra = table.columns.filter(({ name }) => name.startsWith('x'))
    switch (this.below(10)) {
      case 0:
        return this.#addColumn(table)
      case 1: {
        if (extra.length === 0) return undefined
        const { name } = this.pick(extra)
        return { alteration: { type: 'dropColumn', column: name }, apply: () => dropColumn(table, name) }
      }
      case 2: {
        if (extra.length === 0) return undefined
        const { name } = this.pick(extra)
        const to = this.name('x')
        return { alteration: { type: 'renameColumn', column: name, to }, apply: () => renameColumn(table, name, to) }
      }
      case 3:
      case 4: {
        const index = this.index()
        return {
          alteration: { type: 'createIndex', index },
          isRule: index.unique === true,
          fits: () => index.unique !== true || this.#oracle.fits(table, { index }),
          apply: () => table.indexes.push(index),
        }
      }
      case 5: {
        if (table.indexes.length === 0) return undefined
        const { name } = this.pick(table.indexes)
        const apply = (): void => {
          table.indexes = table.indexes.filter(index => index.name !== name)
        }
        return { alteration: { type: 'dropIndex', name }, apply }
      }
      case 6: {
        if (table.checks.length > 1) {
          const { name } = table.checks[0]!
          return { alteration: { type: 'dropCheck', name }, apply: () => table.checks.shift() }
        }
        const check = { name: this.name('check'), check: this.check() }
        return {
          alteration: { type: 'addCheck', check },
          isRule: true,
          fits: () => this.#oracle.fits(table, check),
          apply: () => table.checks.push(check),
        }
      }
      case 7: {
        const column = table.columns.find(({ name }) => name === this.pick(['a', 'b', 'f']))
        if (column === undefined) return undefined
        const nullable = column.nullable !== true
        return {
          alteration: { type: 'setNullable', column: column.name, nullable },
          isRule: !nullable,
          fits: () => nullable || this.#oracle.fits(table, { notNull: column.name }),
          apply: () => (column.nullable = nullable),
        }
      }
      default:
        return this.#changeForeignKeys(table)
    }
  }

  #addColumn(table: ReferenceTable): Pick<Change, 'alteration' | 'apply'> {
    const column: ColumnDefinition = { name: this.name('x'), type: 'integer', nullable: true }
    if (this.isChance(2)) column.default = this.below(9)
    return { alteration: { type: 'addColumn', column }, apply: () => addColumn(table, column) }
  }

  #changeForeignKeys(table: ReferenceTable): (Pick<Change, 'alteration' | 'apply'> & Partial<Change>) | undefined {
    if (table.foreignKeys.length > 1) {
      const { name } = this.pick(table.foreignKeys)
      const apply = (): void => {
        table.foreignKeys = table.foreignKeys.filter(key => key.name !== name)
      }
      return { alteration: { type: 'dropForeignKey', name }, apply }
    }
    const foreignKey = this.foreignKey(table)
    if (foreignKey === undefined) return undefined
    return {
      alteration: { type: 'addForeignKey', foreignKey },
      isRule: true,
      fits: () => this.#oracle.fits(table, { foreignKey }),
      apply: () => table.foreignKeys.push(foreignKey),
    }
  }
}
