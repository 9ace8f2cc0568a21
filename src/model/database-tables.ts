import type { RequestOptions, Token } from './consistency.ts'
import type { Condition, QueryBuilder, TableShape } from './tables/index.ts'
import type { QueryDiagnostics, QueryPlan } from './query-plan.ts'

/** A row with what is known of it. */
export interface RowEntry<R> {
  row: R
  /** Seq of the last change. */
  seq: number
  createdSeq: number
  /** Leader time in us; undefined = never. */
  expiresAtMicros: number | undefined
}

/** A query that can be run, any number of times. */
export interface Query<R> extends AsyncIterable<R> {
  /** All rows, of one state; several requests if there are many. @throws QuorateError `invalid_query`, `permission_denied`, `scan_bound_exceeded` */
  all(options?: RequestOptions): Promise<R[]>
  first(options?: RequestOptions): Promise<R | undefined>
  /** One page; `cursor` is that of the page before, whose state this one comes from too. */
  page(cursor?: string, options?: RequestOptions): Promise<QueryPage<R>>
  /** How it would be run, with what is expected of its stages, in the newest state (or that of the view). */
  explain(options?: RequestOptions): Promise<QueryPlan>
  /** One page, as `page` gives it, and what each stage did for it. Counting takes time: the page takes longer than it would. */
  diagnose(cursor?: string, options?: RequestOptions): Promise<DiagnosedPage<R>>
  /** All rows, of one state, page by page. */
  rows(options?: RequestOptions): AsyncIterable<R>
}

export interface QueryPage<R> {
  rows: R[]
  /** Undefined on the last page. */
  cursor: string | undefined
  seq: number
  token: Token
  /** Records that were looked at; where a read policy of the tables holds for the caller, the rows of the answer. */
  examined: number
}

export interface DiagnosedPage<R> extends QueryPage<R> {
  diagnostics: QueryDiagnostics
  /** Time until the answer was here, by the clock of this process: waiting and the network are in it. */
  elapsedMs: number
}

export interface TableScanOptions<S extends TableShape> extends RequestOptions {
  /** Only rows whose key begins with these cells, given in the order of the key. */
  prefix?: Partial<Pick<S['row'], S['keyColumns'] & keyof S['row']>>
  reverse?: boolean
  /** Rows at most; absent = all. */
  limit?: number
}

export interface TableReader<S extends TableShape> {
  /** @throws QuorateError `table_not_found`, `permission_denied` */
  get(key: S['key'], options?: RequestOptions): Promise<S['row'] | undefined>
  getMany(keys: readonly S['key'][], options?: RequestOptions): Promise<(S['row'] | undefined)[]>
  entry(key: S['key'], options?: RequestOptions): Promise<RowEntry<S['row']> | undefined>
  /** Rows in the order of the primary key, all of one state. */
  scan(options?: TableScanOptions<S>): AsyncIterable<S['row']>
  /** Without a condition it costs the same for any number of rows. */
  count(where?: Condition<S['row']>, options?: RequestOptions): Promise<number>
  /** A query on this table alone; `from` begins those that join. */
  query(): Query<S['row']>
  query<Columns, R>(build: (query: QueryBuilder<S['row'], S['row']>) => QueryBuilder<Columns, R>): Query<R>
}
