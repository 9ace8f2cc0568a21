import { MISMATCH, toColumnValue } from '../../encoding/index.ts'
import type { ColumnDefinition, Expr, TableDefinitionData, Value } from '../../encoding/index.ts'
import { isName } from '../../model/index.ts'
import { compileCondition, conditionColumns, InvalidExpression, usesCaller } from '../conditions/index.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import type { Column, LayoutRecord, Table, TableParts } from '../tables/index.ts'

/** Bounds of tables: what a row costs grows with them. */
export const TABLE_LIMITS = {
  columns: 1_000,
  keyColumns: 16,
  indexes: 64,
  checks: 64,
  foreignKeys: 64,
  /** Columns added and dropped in a table's life. */
  layouts: 1_000,
} as const

export function isRefusal<T extends object>(value: T | Refusal): value is Refusal {
  return 'code' in value
}

/** A refusal for a name that none may have, or that another has already. */
export function badTableName(what: string, name: string, isTaken: boolean): Refusal | undefined {
  if (!isName(name)) return refuse('invalid_name', `the name of a ${what} has 1 to 128 of A-Z a-z 0-9 _ -`)
  return isTaken ? refuse('already_exists', `there already is a ${what} ${name}`) : undefined
}

/** Rows are objects by column name: `__proto__` would be none of their own. */
export function badColumnName(name: string, isTaken: boolean): Refusal | undefined {
  return name === '__proto__'
    ? refuse('invalid_name', `no column is called ${name}`)
    : badTableName('column', name, isTaken)
}

export function noColumn(name: string): Refusal {
  return refuse('column_not_found', `there is no column ${name.slice(0, 140)}`)
}

/** A column as the catalog has it; `missing` is what rows have in it that are there already. */
export function defineColumn(
  definition: ColumnDefinition,
  id: number,
  isTaken: boolean,
  missing: (value: Value) => Value,
): Column | Refusal {
  const { name, type, nullable = false } = definition
  const bad = badColumnName(name, isTaken)
  if (bad !== undefined) return bad
  const found = defaultOf(definition)
  if (isRefusal(found)) return found
  return { id, name, type, isNullable: nullable, ...found, missing: missing(found.default) }
}

/** The default of a column; Null = none. */
export function defaultOf({
  name,
  type,
  default: value = null,
  defaultNow = false,
}: Omit<ColumnDefinition, 'nullable'>): Pick<Column, 'default' | 'isDefaultNow'> | Refusal {
  const cell = toColumnValue(type, value)
  if (cell === MISMATCH) return refuse('type_mismatch', `the default of column ${name} is no ${type}`)
  if (defaultNow && type !== 'timestamp') {
    return refuse('type_mismatch', `column ${name} is no timestamp, which alone may have the present time by default`)
  }
  if (defaultNow && cell !== null) return refuse('invalid_argument', `column ${name} has two defaults`)
  return { default: cell, isDefaultNow: defaultNow }
}

/** Columns and primary key of a new table: its parts without everything that refers to them. */
export function defineColumns(
  definition: TableDefinitionData,
): Pick<TableParts, 'columns' | 'primaryKey' | 'layouts' | 'nextColumnId'> | Refusal {
  if (definition.columns.length > TABLE_LIMITS.columns) {
    return refuse('invalid_argument', `a table has at most ${TABLE_LIMITS.columns} columns`)
  }
  const columns: Column[] = []
  const byName = new Map<string, Column>()
  for (const [i, column] of definition.columns.entries()) {
    const defined = defineColumn(column, i + 1, byName.has(column.name), () => null)
    if (isRefusal(defined)) return defined
    columns.push(defined)
    byName.set(defined.name, defined)
  }
  const primaryKey = defineKey(definition.primaryKey, byName)
  if (!Array.isArray(primaryKey)) return primaryKey
  const layout = { version: 1, columns: layoutColumns(columns, primaryKey) }
  return { columns, primaryKey, layouts: [layout], nextColumnId: columns.length + 1 }
}

function defineKey(names: readonly string[], byName: ReadonlyMap<string, Column>): number[] | Refusal {
  const ids = columnIds(names, name => byName.get(name)?.id)
  if (!Array.isArray(ids)) return ids
  for (const name of names) {
    if (byName.get(name)!.isNullable) return refuse('invalid_argument', `column ${name} of the primary key may be null`)
  }
  return ids
}

/** The ids of the columns of a key or an index: there, and each once. */
export function columnIds(names: readonly string[], idOf: (name: string) => number | undefined): number[] | Refusal {
  if (names.length < 1 || names.length > TABLE_LIMITS.keyColumns) {
    return refuse('invalid_argument', `a key or index has 1 to ${TABLE_LIMITS.keyColumns} columns`)
  }
  const ids: number[] = []
  for (const name of names) {
    const id = idOf(name)
    if (id === undefined) return noColumn(name)
    if (ids.includes(id)) return refuse('already_exists', `column ${name} is named twice`)
    ids.push(id)
  }
  return ids
}

/** What the cells of rows are from now on; those of the primary key are in the row's key. */
export function layoutColumns(columns: readonly Column[], primaryKey: readonly number[]): LayoutRecord['columns'] {
  return columns.filter(({ id }) => !primaryKey.includes(id)).map(({ id, type }) => ({ id, type }))
}

/** Why a condition cannot be stored with a table. */
export function badCondition(table: Table, expr: Expr, mayNameCaller: boolean): Refusal | undefined {
  const compiled = compileCondition(expr, table, '')
  if (compiled instanceof InvalidExpression) return refuse(compiled.code, compiled.message)
  if (mayNameCaller || !usesCaller(expr)) return undefined
  return refuse('invalid_query', 'only a read policy may depend on the caller')
}

/** What of the table names the column, in words; it may not be dropped then. */
export function userOf(table: Table, name: string): string | undefined {
  const { parts } = table
  const id = table.columns[table.position(name)!]!.id
  if (parts.primaryKey.includes(id)) return 'the primary key'
  for (const index of parts.indexes) {
    if (index.columns.includes(id) || (index.where !== undefined && conditionColumns(index.where).has(name))) {
      return `index ${index.name}`
    }
  }
  for (const foreignKey of parts.foreignKeys)
    if (foreignKey.columns.includes(id)) return `foreign key ${foreignKey.name}`
  for (const check of parts.checks) if (conditionColumns(check.check).has(name)) return `check ${check.name}`
  if (parts.readPolicy !== undefined && conditionColumns(parts.readPolicy).has(name)) return 'the read policy'
  return undefined
}
