import type { ColumnType, ComparisonOperator, Expr, ScalarExpr, Value } from '../encoding/index.ts'

/**
 * A query as plain data: the same in this process, on the wire and in JSON (POST /v1/query). The typed builder makes it. Columns of joined
 * tables are `alias.column`; the alias of a table is its name unless given.
 */
export interface QueryData {
  project: string
  /** Default `app`. */
  scope?: string
  /** A table, or `_global.NAME` for one of the project `_global`. */
  from: string
  as?: string
  joins?: readonly JoinData[]
  where?: Expr
  /** Absent = all columns. */
  select?: readonly SelectItem[]
  distinct?: boolean
  groupBy?: readonly string[]
  aggregates?: readonly AggregateData[]
  /** On group columns and aggregates by their names. */
  having?: Expr
  /** By columns, computed columns or aggregates. Null is last, first when descending. */
  orderBy?: readonly OrderItem[]
  limit?: number
  /** Needs a limit, and excludes a cursor. */
  offset?: number
  /** Goes on after the page that gave it, in the same state. */
  cursor?: string
  /** Without it a query that no index bounds and no limit ends is refused. */
  allowFullScan?: boolean
  /** Takes this index or fails. */
  useIndex?: string
}

export const JOIN_TYPES = ['inner', 'left', 'right', 'full', 'cross'] as const

export interface JoinData {
  type: (typeof JOIN_TYPES)[number]
  table: string
  as?: string
  /**
   * What joins a row to those of the tables before it: pairs of columns that must all compare as they say (equal unless `op` says otherwise), or
   * any condition on columns of this table and those before it. Rows join for which it is true, so Null and unknown join nothing. Of an outer
   * join it only decides what is a partner: rows without one stay, unlike those that `where` leaves out. None for a cross join.
   */
  on?: readonly JoinPair[] | Expr
}

export interface JoinPair {
  left: string
  op?: ComparisonOperator
  right: string
}

/** What must all be true for rows to join. */
export function joinConditions({ on = [] }: Pick<JoinData, 'on'>): readonly Expr[] {
  if (!isPairs(on)) return [on]
  return on.map(({ left, op = 'eq', right }): Expr => ({ op, column: left, value: { column: right } }))
}

/** Whether a join's condition is given as pairs of columns. */
export function isPairs(on: NonNullable<JoinData['on']>): on is readonly JoinPair[] {
  return Array.isArray(on)
}

export type SelectItem = string | { column: string; as: string } | { compute: ScalarExpr; as: string }

export const AGGREGATE_FUNCTIONS = ['count', 'countDistinct', 'sum', 'min', 'max', 'avg'] as const

/** Nulls are ignored; `count` without a column counts rows. Sums of integers are exact (`overflow` beyond 256 bits). */
export interface AggregateData {
  function: (typeof AGGREGATE_FUNCTIONS)[number]
  column?: string
  /** Default: `count`, or the function and its column as in `sum_amount`. */
  as?: string
}

export interface OrderItem {
  column: string
  direction?: 'asc' | 'desc'
}

export interface QueryResult {
  columns: readonly string[]
  /** As many as `columns`; JSON, which has no bigints, needs them to give back what was answered. */
  types?: readonly ColumnType[]
  rows: readonly (readonly Value[])[]
  /** Set while there is more; for `QueryData.cursor`. */
  cursor?: string
  /** Records that were looked at; where a read policy of the tables holds for the caller, the rows of the answer. */
  examined: number
  seq: number
}

export const QUERY_LIMITS = {
  orderColumns: 32,
  groupColumns: 32,
  aggregates: 32,
  joins: 8,
  /** Of one join. */
  joinConditions: 32,
  selectItems: 1_000,
  defaultPageRows: 100,
} as const
