import type { CommitResult } from './commit-result.ts'
import type { RequestOptions } from './consistency.ts'
import type { TableReader } from './database-tables.ts'
import type { TableDescription } from './reads.ts'
import type { ColumnUpdate, Condition, TableShape } from './tables/index.ts'
import type { TableWatchEvent, TableWatchOptions } from './watch-events.ts'

/** Cells that an update replaces or computes; those of the primary key cannot be updated. */
export type UpdateSet<S extends TableShape> = {
  readonly [K in Exclude<keyof S['row'], S['keyColumns']>]?: S['row'][K] | ColumnUpdate
}

export interface InsertOptions<S extends TableShape> extends RequestOptions {
  /** The rows expire this long after the write, by leader time. */
  ttlMs?: number
  /** What becomes of rows that are there already; without it they are an error. */
  onConflict?: {
    /** The primary key (default), a unique index by name, or the columns of either. */
    target?: { index: string } | { columns: readonly (keyof S['row'] & string)[] }
    action: 'nothing' | 'merge' | { update: UpdateSet<S> }
  }
}

export interface UpdateOptions extends RequestOptions {
  /** Only if the row's last change has this seq. @throws QuorateError `assertion_failed` */
  ifSeq?: number
}

/** What `claimOne` and `updateWhereReturning` have done. */
export interface UpdatedRow<R> {
  before: R
  after: R
  commit: CommitResult
}

/** Each write is one transaction. Errors: those of the row's constraints, `type_mismatch`, `table_not_found`, `permission_denied`. */
export interface Table<S extends TableShape> extends TableReader<S> {
  /** @throws QuorateError `duplicate_key`, `unique_violation`, `not_null_violation`, `check_failed`, `foreign_key_violation` */
  insert(row: S['newRow'], options?: InsertOptions<S>): Promise<CommitResult>
  /** All or none. */
  insertMany(rows: readonly S['newRow'][], options?: InsertOptions<S>): Promise<CommitResult>
  /** Inserts the row, or replaces the whole one that has its key. */
  upsert(row: S['newRow'], options?: RequestOptions & { ttlMs?: number }): Promise<CommitResult>
  upsertMany(rows: readonly S['newRow'][], options?: RequestOptions & { ttlMs?: number }): Promise<CommitResult>
  /** @throws QuorateError `row_not_found`, `overflow`, `underflow` */
  update(key: S['key'], set: UpdateSet<S>, options?: UpdateOptions): Promise<CommitResult>
  /** Whether there was such a row. Referential actions follow. */
  delete(key: S['key'], options?: UpdateOptions): Promise<boolean>
  /** Replaces the whole row if its last change has `expectedSeq` (0 = there is none). @throws QuorateError `assertion_failed` */
  compareAndSet(
    key: S['key'],
    expectedSeq: number,
    row: S['newRow'],
    options?: RequestOptions & { ttlMs?: number },
  ): Promise<CommitResult>
  /** In the order of the primary key, `limit` rows at most. How many there were. */
  updateWhere(
    where: Condition<S['row']> | undefined,
    set: UpdateSet<S>,
    options?: RequestOptions & { limit?: number },
  ): Promise<number>
  deleteWhere(where: Condition<S['row']> | undefined, options?: RequestOptions & { limit?: number }): Promise<number>
  /**
   * Updates one row for which the condition is true, and answers it. The first in `orderBy` (default: in the order of the primary key);
   * where many want one at the same time, one of the first. Undefined if there is none.
   * @throws ConflictError when the time is used up
   */
  updateWhereReturning(
    where: Condition<S['row']>,
    set: UpdateSet<S>,
    options?: ClaimOptions<S>,
  ): Promise<UpdatedRow<S['row']> | undefined>
  /** The same by the name of what it is for: taking one thing that nobody else then has. */
  claimOne(
    where: Condition<S['row']>,
    set: UpdateSet<S>,
    options?: ClaimOptions<S>,
  ): Promise<UpdatedRow<S['row']> | undefined>
  /** @throws QuorateError `table_not_found` */
  describe(options?: RequestOptions): Promise<TableDescription>
  /**
   * Every change of the rows, in order, never half a commit; resumes after `from`. Only of rows that the caller may read. A `reset` comes too
   * when what the caller may read has changed: the read policy, or a permission to bypass it.
   * @throws QuorateError `table_not_found`, also when the table is dropped, `permission_denied`, `too_stale`
   */
  watch(options?: TableWatchOptions<S>): AsyncIterable<TableWatchEvent<S>>
}

export interface ClaimOptions<S extends TableShape> extends RequestOptions {
  orderBy?: readonly { column: keyof S['row'] & string; direction?: 'asc' | 'desc' }[]
}

/**
 * A table in a transaction. `get`, `getMany` and `entry` see the transaction's own writes (the entry of one has seq 0); a row whose own
 * write only the commit can compute, and queries on a table that the transaction has written to, are refused (`invalid_argument`): read
 * first, then write. What referential actions of own writes do to other rows is seen after the commit.
 */
export interface TransactionTable<S extends TableShape> extends TableReader<S> {
  insert(row: S['newRow'], options?: Omit<InsertOptions<S>, keyof RequestOptions>): void
  insertMany(rows: readonly S['newRow'][], options?: Omit<InsertOptions<S>, keyof RequestOptions>): void
  upsert(row: S['newRow'], options?: { ttlMs?: number }): void
  upsertMany(rows: readonly S['newRow'][], options?: { ttlMs?: number }): void
  update(key: S['key'], set: UpdateSet<S>): void
  delete(key: S['key']): void
  updateWhere(where: Condition<S['row']> | undefined, set: UpdateSet<S>, options?: { limit?: number }): void
  deleteWhere(where: Condition<S['row']> | undefined, options?: { limit?: number }): void
}
