import type { Expr } from './expression.ts'
import type { ColumnType, Value } from './values.ts'

/** Tables as data: what DDL carries and what `tables` answers. Names have 1 to 128 of A-Z a-z 0-9 _ -. */
export interface ColumnDefinition {
  name: string
  type: ColumnType
  /** Default false. A primary key has no nullable columns. */
  nullable?: boolean
  /** For rows that do not give the column. */
  default?: Value
  /** Timestamps only: the leader time of the entry instead of a constant. */
  defaultNow?: boolean
}

export interface IndexDefinition {
  name: string
  columns: readonly string[]
  /** `hash` serves equality only and keeps no order; default `ordered`. */
  kind?: 'ordered' | 'hash'
  /** No two rows have equal values, unless one of them is Null. */
  unique?: boolean
  /** Only rows for which it is true are in the index. */
  where?: Expr
}

export type ReferentialAction = 'restrict' | 'cascade' | 'setNull' | 'setDefault' | 'noAction'

export interface ForeignKeyDefinition {
  name: string
  columns: readonly string[]
  /** `_global` for tables of the project of that name. Default: the table's own project and scope. */
  project?: string
  scope?: string
  table: string
  /** The referenced table's primary key (the default) or the columns of a unique index. */
  references?: readonly string[]
  onDelete?: ReferentialAction
  onUpdate?: ReferentialAction
}

export interface CheckDefinition {
  name: string
  /** Refuses rows for which it is false; unknown passes. */
  check: Expr
}

export interface TableDefinitionData {
  columns: readonly ColumnDefinition[]
  primaryKey: readonly string[]
  indexes?: readonly IndexDefinition[]
  checks?: readonly CheckDefinition[]
  foreignKeys?: readonly ForeignKeyDefinition[]
}

/** Where a table lies. `scope` defaults to `app`. */
export interface TableTarget {
  project: string
  scope?: string
  table: string
}

export type TableAlteration =
  | { type: 'addColumn'; column: ColumnDefinition }
  | { type: 'dropColumn'; column: string }
  | { type: 'renameColumn'; column: string; to: string }
  | { type: 'setNullable'; column: string; nullable: boolean }
  | { type: 'setDefault'; column: string; default?: Value; defaultNow?: boolean }
  | { type: 'addCheck'; check: CheckDefinition }
  | { type: 'dropCheck'; name: string }
  | { type: 'addForeignKey'; foreignKey: ForeignKeyDefinition }
  | { type: 'dropForeignKey'; name: string }

/** Catalog changes of tables; each belongs to `Ddl`. */
export type TableDdl =
  | ({ type: 'createTable'; ifNotExists?: boolean; owner?: string } & TableTarget & TableDefinitionData)
  | ({ type: 'renameTable'; to: string } & TableTarget)
  | ({ type: 'dropTable'; ifExists?: boolean } & TableTarget)
  | ({ type: 'alterTable'; alteration: TableAlteration } & TableTarget)
  /** The index is built in the background and serves queries once its build is done (`tables` says so); writers keep it from now on. */
  | ({ type: 'createIndex'; ifNotExists?: boolean; index: IndexDefinition } & TableTarget)
  | ({ type: 'dropIndex'; ifExists?: boolean; name: string } & TableTarget)
  /** Rows that the policy is not true for do not exist for callers without `policyBypass`. */
  | ({ type: 'setReadPolicy'; policy: Expr } & TableTarget)
  | ({ type: 'clearReadPolicy' } & TableTarget)
