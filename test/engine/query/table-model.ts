import type { ColumnType, Expr, TableAlteration, TableDdl, Value } from '../../../src/encoding/index.ts'
import { mapColumns } from '../../../src/encoding/index.ts'
import { conditionColumns } from '../../../src/engine/conditions/index.ts'
import type { Table } from '../../../src/engine/tables/index.ts'
import { judge } from '../conditions/condition-oracle.ts'
import type { Dice } from '../keyspace/support.ts'
import { makeTable } from './fixture.ts'
import type { Cells, IndexShape } from './fixture.ts'
import { textOfRow } from './oracle.ts'
import type { OracleTable } from './oracle.ts'
import { pick, randomCondition, randomTable, sampleOf } from './random.ts'

export const PROJECT = 'p'

interface ModelColumn {
  readonly name: string
  readonly type: ColumnType
  readonly isNullable: boolean
}

/** What one table is and holds, as its statements say. */
export class ModelTable {
  readonly name: string
  columns: readonly ModelColumn[]
  primaryKey: readonly string[]
  indexes: readonly IndexShape[]
  policy: Expr | undefined
  rows: ReadonlyMap<string, Cells> = new Map()
  #names = 0

  constructor(dice: Dice, id: number, name: string) {
    const table = randomTable(dice, id, name)
    const nameOf = (columnId: number): string => table.columns[table.positionOfId(columnId)!]!.name
    this.name = name
    this.columns = table.columns.map(column => ({
      name: column.name,
      type: column.type,
      isNullable: column.isNullable,
    }))
    this.primaryKey = table.keyPositions.map(position => table.columns[position]!.name)
    this.indexes = table.parts.indexes.map(index => ({
      name: index.name,
      columns: index.columns.map(nameOf),
      kind: index.kind,
      ...(index.where !== undefined && { where: index.where }),
    }))
    this.policy = table.parts.readPolicy
  }

  /** For generators, and the planner's view of it. */
  get table(): Table {
    const columns = this.columns.map(
      ({ name, type, isNullable }) => [name, isNullable ? (`${type}?` as const) : type] as const,
    )
    const { name, primaryKey, indexes } = this
    return makeTable(1, { name, columns: Object.fromEntries(columns), primaryKey, indexes })
  }

  /** A copy of what it is now. */
  state(): OracleTable & { readonly policy: Expr | undefined; readonly table: Table } {
    const ofType = (...types: ColumnType[]): string[] =>
      this.columns.filter(({ type }) => types.includes(type)).map(({ name }) => name)
    return {
      name: this.name,
      columns: this.columns.map(({ name }) => name),
      floats: ofType('float'),
      wides: ofType('u256', 'i256'),
      rows: [...this.rows.values()],
      policy: this.policy,
      table: this.table,
    }
  }

  create(): TableDdl[] {
    const at = { project: PROJECT, table: this.name }
    const columns = this.columns.map(({ name, type, isNullable }) => ({ name, type, nullable: isNullable }))
    const { primaryKey, indexes } = this
    const create: TableDdl = { type: 'createTable', ...at, columns, primaryKey, indexes }
    return [
      create,
      ...(this.policy === undefined ? [] : [{ type: 'setReadPolicy', ...at, policy: this.policy } as const]),
    ]
  }

  keyOf(row: Cells): string {
    return textOfRow(this.primaryKey.map(name => row[name]!))
  }

  put(rows: readonly Cells[]): void {
    const all = new Map(this.rows)
    for (const row of rows) all.set(this.keyOf(row), row)
    this.rows = all
  }

  removeWhere(where: Expr): void {
    this.rows = new Map([...this.rows].filter(([, row]) => judge(where, row, 'root') !== true))
  }

  update(where: Expr, column: string, value: Value): void {
    this.rows = new Map(
      [...this.rows].map(([key, row]) => [key, judge(where, row, 'root') === true ? { ...row, [column]: value } : row]),
    )
  }

  /** A change of the table, which is made in the model at once. */
  change(dice: Dice): TableDdl | undefined {
    const at = { project: PROJECT, table: this.name }
    switch (dice.below(6)) {
      case 0:
        return this.#addColumn(dice)
      case 1:
        return this.#dropColumn(dice)
      case 2:
        return this.#renameColumn(dice)
      case 3: {
        const index = this.indexes.length === 0 ? undefined : pick(dice, this.indexes)
        if (index === undefined) return undefined
        this.indexes = this.indexes.filter(other => other !== index)
        return { type: 'dropIndex', ...at, name: index.name }
      }
      default: {
        const { table } = this
        const where = dice.chance(4) ? randomCondition(dice, table, column => column, 1, false) : undefined
        const columns = [pick(dice, this.columns).name, pick(dice, this.columns).name]
        const index: IndexShape = {
          name: `n${this.#names++}`,
          columns: [...new Set(columns)],
          kind: dice.chance(5) ? 'hash' : 'ordered',
          ...(where !== undefined && { where }),
        }
        this.indexes = [...this.indexes, index]
        return { type: 'createIndex', ...at, index }
      }
    }
  }

  #alter(alteration: TableAlteration): TableDdl {
    return { type: 'alterTable', project: PROJECT, table: this.name, alteration }
  }

  #addColumn(dice: Dice): TableDdl {
    const { type } = pick(dice, this.columns)
    const name = `d${this.#names++}`
    const value = dice.chance(2) ? sampleOf(dice, type) : null
    const isNullable = value === null || dice.chance(2)
    this.columns = [...this.columns, { name, type, isNullable }]
    this.rows = new Map([...this.rows].map(([key, row]) => [key, { ...row, [name]: value }]))
    return this.#alter({
      type: 'addColumn',
      column: { name, type, nullable: isNullable, ...(value !== null && { default: value }) },
    })
  }

  /** Only what nothing rests on can go. */
  #dropColumn(dice: Dice): TableDdl | undefined {
    const used = new Set(this.primaryKey)
    for (const { columns, where } of this.indexes) {
      for (const name of columns) used.add(name)
      if (where !== undefined) for (const name of conditionColumns(where)) used.add(name)
    }
    if (this.policy !== undefined) for (const name of conditionColumns(this.policy)) used.add(name)
    const free = this.columns.filter(({ name }) => !used.has(name))
    if (free.length === 0) return undefined
    const { name: column } = pick(dice, free)
    this.columns = this.columns.filter(({ name }) => name !== column)
    this.rows = new Map([...this.rows].map(([key, { [column]: _gone, ...row }]) => [key, row]))
    return this.#alter({ type: 'dropColumn', column })
  }

  #renameColumn(dice: Dice): TableDdl {
    const { name: column } = pick(dice, this.columns)
    const to = `r${this.#names++}`
    const renamed = (name: string): string => (name === column ? to : name)
    this.columns = this.columns.map(other => ({ ...other, name: renamed(other.name) }))
    this.primaryKey = this.primaryKey.map(renamed)
    this.indexes = this.indexes.map(({ where, ...index }) => ({
      ...index,
      columns: index.columns.map(renamed),
      ...(where !== undefined && { where: mapColumns(where, renamed) }),
    }))
    if (this.policy !== undefined) this.policy = mapColumns(this.policy, renamed)
    this.rows = new Map(
      [...this.rows].map(([key, row]) => [
        key,
        Object.fromEntries(Object.entries(row).map(([name, value]) => [renamed(name), value])),
      ]),
    )
    return this.#alter({ type: 'renameColumn', column, to })
  }
}
