import type { ComparisonOperator } from './comparison.ts'
import type { Expr } from './expression.ts'
import type { TableTarget } from './table-definition.ts'
import type { Value } from './values.ts'

/** Cells by column name. */
export type Row = Readonly<Record<string, Value>>

/** How an update computes a cell. Later ones of a list see what earlier ones have set. */
export type UpdateExpr =
  | { set: Value }
  | { copy: string }
  /** Integers of all widths; beyond the column's range `overflow` or `underflow`. Null cells stay Null. */
  | { add: bigint | number }
  | { subtract: bigint | number }
  /** Null cells get the value, others keep theirs. */
  | { coalesce: Value }
  /** In `onConflict` only: the cell of the row that was to be inserted. */
  | { proposed: string }
  | { addProposed: string }

export type Updates = Readonly<Record<string, UpdateExpr>>

export type ConflictAction = 'nothing' | 'merge' | { update: Updates }

/** Mutations of rows; each belongs to `Mutation`. Keys are the cells of the primary key. */
export type TableMutation =
  /** Absent columns get their default or Null. An existing key gives `duplicate_key`. `ttlMs`: as of KV keys. */
  | ({ type: 'insert'; rows: readonly Row[]; ttlMs?: number; onConflict?: OnConflict } & TableTarget)
  /** Inserts, or replaces the whole row. */
  | ({ type: 'upsert'; rows: readonly Row[]; ttlMs?: number } & TableTarget)
  /** The row must exist (`row_not_found`); the primary key cannot be updated. */
  | ({ type: 'update'; key: Row; set: Updates } & TableTarget)
  /** A missing row is fine; referential actions follow. Result: whether there was one. */
  | ({ type: 'delete'; key: Row } & TableTarget)
  /** In the order of the primary key, at most `limit` rows. Result: how many. */
  | ({ type: 'updateWhere'; where?: Expr; set: Updates; limit?: number } & TableTarget)
  | ({ type: 'deleteWhere'; where?: Expr; limit?: number } & TableTarget)

export interface OnConflict {
  /** The primary key (default), a unique index by name, or the columns of either. */
  target?: { index: string } | { columns: readonly string[] }
  action: ConflictAction
}

/** Preconditions on rows; each belongs to `Assertion`. */
export type TableAssertion =
  | ({ type: 'rowVersion'; key: Row; seq: number } & TableTarget)
  | ({ type: 'rowExists'; key: Row; expected: boolean } & TableTarget)
  | ({ type: 'rowCompare'; key: Row; column: string; op: ComparisonOperator; value: Value } & TableTarget)
  | ({ type: 'count'; where?: Expr; op: ComparisonOperator; value: number } & TableTarget)
  | ({ type: 'sum'; column: string; where?: Expr; op: ComparisonOperator; value: Value } & TableTarget)
