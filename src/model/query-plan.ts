export const QUERY_PATHS = [
  'primaryKeyPoint',
  'primaryKeyRange',
  'index',
  'indexIntersection',
  'indexUnion',
  'fullScan',
  'join',
  /** The number of rows, which is kept, without looking at any. */
  'rowCount',
] as const

export const QUERY_STAGES = [
  'scan',
  'join',
  'filter',
  'aggregate',
  'having',
  'sort',
  'topK',
  'project',
  'distinct',
  'limit',
  'count',
] as const

/** One step of a query. */
export interface QueryStage {
  kind: (typeof QUERY_STAGES)[number]
  /** What it does, for people. */
  text: string
  /**
   * Rows that it is taken to give, by how many rows the tables have and what conditions are taken to leave. Absent where a read policy hides
   * rows of a table from the caller: even their number is not told.
   */
  estimatedRows?: number
  /** Rows that it never gives more of, in this state. */
  maxRows?: number
}

/** What ends a query, with `scan_bound_exceeded` or `materialization_budget_exceeded`, or a page of it. */
export interface QueryBounds {
  /** Rows of a page. */
  pageRows: number
  /** A page ends behind the row with which its rows have this many bytes. */
  pageBytes: number
  /** Records that may be looked at, and rows that may be held at once; absent: `allowFullScan` allows any number. */
  scanRows?: number
  /** Bytes that may be held at once. */
  heldBytes: number
}

/** How a query would be run, or was. */
export interface QueryPlan {
  path: (typeof QUERY_PATHS)[number]
  indexes: readonly string[]
  /** In order: scan, joins, filter, aggregate, having, sort or top-k, project, distinct, limit, each with what matters to it. */
  stages: readonly QueryStage[]
  /** Whether the order of the scan already is the order asked for. */
  isOrderedByScan: boolean
  isBounded: boolean
  /** The state that it was planned for. */
  seq: number
  bounds: QueryBounds
}

/** What one stage did for one page. Where a read policy hides rows of its table, only rows that the caller may see are counted. */
export interface StageRun {
  /** Records (rows and entries of indexes) that it looked at. */
  read: number
  /** Rows that it gave to the next stage. */
  rows: number
  /** Bytes that it held at once, at most. */
  heldBytes: number
}

/** How a page was made. */
export interface QueryDiagnostics {
  plan: QueryPlan
  /** As many as the plan has stages. */
  stages: readonly StageRun[]
  /** Of the rows of the page, near enough. */
  pageBytes: number
}
