import { DEFAULT_SCOPE } from '../../encoding/index.ts'
import type {
  CheckDefinition,
  ForeignKeyDefinition,
  IndexDefinition,
  ReferentialAction,
  Row,
  TableDdl,
  TableDefinitionData,
  TableTarget,
  Value,
} from '../../encoding/index.ts'
import { requireName } from '../names.ts'
import { invalid } from '../facade/arguments.ts'
import type { TableColumn } from './columns.ts'
import { resolveCondition, type Condition } from './conditions.ts'

/** The columns of a table by name, as a program declares them. */
export type ColumnMap = Readonly<Record<string, TableColumn>>

/** Spells an intersection out. */
export type Plain<T> = { [K in keyof T]: T[K] } & {}

type CellOf<C> =
  C extends TableColumn<infer _Type, infer T, infer Nullable, infer _Optional, infer _Key>
    ? Nullable extends true
      ? T | null
      : T
    : never

type OptionalNames<C> = {
  [K in keyof C]: C[K] extends { readonly parts: { readonly isOptional: true } } ? K : never
}[keyof C]

type FlaggedKey<C> = Extract<
  { [K in keyof C]: C[K] extends { readonly parts: { readonly isKey: true } } ? K : never }[keyof C],
  string
>

type IsUnion<T, U = T> = [T] extends [never] ? false : T extends U ? ([U] extends [T] ? false : true) : never

/** What a table means in types: of a definition, or of a table that is used by name. */
export interface TableShape {
  /** A whole row as it is read. */
  readonly row: object
  /** What a row needs to be inserted. */
  readonly newRow: object
  /** Names one row. */
  readonly key: unknown
  /** Names of the columns of the primary key. */
  readonly keyColumns: string
}

/** The shape of a table with these columns. */
export interface ShapeOf<C extends ColumnMap, Key extends string> {
  readonly row: Plain<{ -readonly [K in keyof C]: CellOf<C[K]> }>
  readonly newRow: Plain<
    { [K in Exclude<keyof C, OptionalNames<C>>]: CellOf<C[K]> } & { [K in OptionalNames<C>]?: CellOf<C[K]> }
  >
  readonly key: IsUnion<Key> extends true
    ? Plain<{ [K in Key & keyof C]: CellOf<C[K]> }>
    : CellOf<C[Key]> | Plain<{ [K in Key & keyof C]: CellOf<C[K]> }>
  readonly keyColumns: Key
}

/** A table as a program declares it. `$shape` exists in types only. */
export interface TableDefinition<Shape extends TableShape = TableShape> {
  readonly kind: 'table'
  readonly project: string
  readonly scope: string
  readonly name: string
  readonly columns: ColumnMap
  /** As DDL carries it. */
  readonly data: TableDefinitionData
  readonly $shape?: Shape
}

/** Rows of tables that are used by name: cells are values as they are. */
export interface UntypedShape {
  readonly row: Record<string, Value>
  readonly newRow: Row
  readonly key: Row
  readonly keyColumns: never
}

export type RowOf<D> = D extends TableDefinition<infer Shape> ? Shape['row'] : never
export type NewRowOf<D> = D extends TableDefinition<infer Shape> ? Shape['newRow'] : never
export type KeyOf<D> = D extends TableDefinition<infer Shape> ? Shape['key'] : never

interface IndexOptions<Name extends string> {
  /** Default: the columns, joined by `_`. */
  name?: string
  columns: readonly Name[]
  kind?: 'ordered' | 'hash'
  unique?: boolean
}

export interface TableOptions<C extends ColumnMap, Key extends string> {
  project: string
  /** Default `app`. */
  scope?: string
  columns: C
  /** Default: the columns that say `primaryKey()`, in their order. */
  primaryKey?: readonly Key[]
  indexes?: readonly (IndexOptions<keyof C & string> & { where?: Condition<RowOfColumns<C>> })[]
  checks?: readonly { name: string; check: Condition<RowOfColumns<C>> }[]
  foreignKeys?: readonly {
    /** Default: the columns, joined by `_`. */
    name?: string
    columns: readonly (keyof C & string)[]
    /** The referenced table, by its definition or where it lies (its project and scope default to this table's). */
    table: TableDefinition | string | (Partial<TableTarget> & { table: string })
    /** Default: the primary key. */
    references?: readonly string[]
    onDelete?: ReferentialAction
    onUpdate?: ReferentialAction
  }[]
}

type RowOfColumns<C extends ColumnMap> = { [K in keyof C]: CellOf<C[K]> }

/**
 * Declares a table: the types of its rows, the conversion of its cells, and what `createTable` makes of it.
 * @throws QuorateError `invalid_name`, `invalid_argument`
 */
export function defineTable<const C extends ColumnMap, const Key extends keyof C & string = FlaggedKey<C>>(
  name: string,
  options: TableOptions<C, Key>,
): TableDefinition<ShapeOf<C, Key>> {
  const { project, scope = DEFAULT_SCOPE, columns } = options
  requireName('project', project)
  requireName('scope', scope)
  requireName('table', name)
  const names = Object.keys(columns)
  for (const column of names) requireName('column', column)
  const primaryKey = options.primaryKey ?? names.filter(column => columns[column]!.parts.isKey)
  if (primaryKey.length === 0) throw invalid(`the table ${name} has no primary key`)
  for (const column of primaryKey) requireKeyColumn(name, column, columns)
  const indexes = (options.indexes ?? []).map(index => indexData(index, columns))
  const checks = (options.checks ?? []).map(({ name, check }): CheckDefinition => ({
    name,
    check: resolveCondition(check, columns),
  }))
  const foreignKeys = (options.foreignKeys ?? []).map(key => foreignKeyData(key, project, scope))
  return Object.freeze({
    kind: 'table' as const,
    project,
    scope,
    name,
    columns,
    data: {
      columns: names.map(column => columns[column]!.toDefinition(column)),
      primaryKey: [...primaryKey],
      ...(indexes.length > 0 && { indexes }),
      ...(checks.length > 0 && { checks }),
      ...(foreignKeys.length > 0 && { foreignKeys }),
    },
  })
}

function requireKeyColumn(table: string, name: string, columns: ColumnMap): void {
  const column = Object.hasOwn(columns, name) ? columns[name] : undefined
  if (column === undefined) throw invalid(`the primary key of ${table} has an unknown column: ${name}`)
  if (column.parts.isNullable) throw invalid(`the primary key of ${table} has a nullable column: ${name}`)
}

function indexData<C extends ColumnMap>(
  index: IndexOptions<keyof C & string> & { where?: Condition<RowOfColumns<C>> },
  columns: C,
): IndexDefinition {
  const { name = index.columns.join('_'), kind, unique, where } = index
  requireName('index', name)
  return {
    name,
    columns: [...index.columns],
    ...(kind !== undefined && { kind }),
    ...(unique !== undefined && { unique }),
    ...(where !== undefined && { where: resolveCondition(where, columns) }),
  }
}

type ForeignKeyOptions = NonNullable<TableOptions<ColumnMap, string>['foreignKeys']>[number]

function foreignKeyData(key: ForeignKeyOptions, project: string, scope: string): ForeignKeyDefinition {
  const { name = key.columns.join('_'), columns, references, onDelete, onUpdate } = key
  requireName('foreign key', name)
  const target = referencedTable(key.table)
  return {
    name,
    columns: [...columns],
    table: target.table,
    ...(target.project !== undefined && target.project !== project && { project: target.project }),
    ...(target.scope !== undefined && target.scope !== scope && { scope: target.scope }),
    ...(references !== undefined && { references: [...references] }),
    ...(onDelete !== undefined && { onDelete }),
    ...(onUpdate !== undefined && { onUpdate }),
  }
}

function referencedTable(table: ForeignKeyOptions['table']): Partial<TableTarget> & { table: string } {
  if (typeof table === 'string') return { table }
  if ('kind' in table) return { project: table.project, scope: table.scope, table: table.name }
  return table
}

export function targetOf(definition: TableDefinition): Required<TableTarget> {
  return { project: definition.project, scope: definition.scope, table: definition.name }
}

/** The DDL that creates the table with its indexes, checks and foreign keys. */
export function createTable(
  definition: TableDefinition,
  options: { ifNotExists?: boolean } = {},
): Extract<TableDdl, { type: 'createTable' }> {
  const { ifNotExists } = options
  return {
    type: 'createTable',
    ...targetOf(definition),
    ...(ifNotExists !== undefined && { ifNotExists }),
    ...definition.data,
  }
}
