import type { Assertion, TableMutation } from '../../../encoding/index.ts'
import type { CommitResult } from '../../commit-result.ts'
import type { RequestOptions } from '../../consistency.ts'
import { QuorateError } from '../../errors.ts'
import type {
  ClaimOptions,
  InsertOptions,
  Table,
  UpdatedRow,
  UpdateOptions,
  UpdateSet,
} from '../../database-table-writes.ts'
import { requireSeq } from '../arguments.ts'
import { submit, type Connection } from '../connection.ts'
import { newestState } from '../sources.ts'
import { claimRow } from './claim.ts'
import type { Condition, TableShape } from '../../tables/index.ts'
import {
  deleteMutation,
  deleteWhereMutation,
  insertMutation,
  updateMutation,
  updateWhereMutation,
  upsertMutation,
} from './mutations.ts'
import type { TableAccess } from './table-access.ts'
import { TableReads } from './table-reads.ts'
import { watchTable } from './table-watch.ts'
import type { TableWatchEvent, TableWatchOptions } from '../../watch-events.ts'

/** A table of the newest state. */
export class CoreTable<S extends TableShape> extends TableReads<S> implements Table<S> {
  readonly #connection: Connection
  readonly #access: TableAccess

  constructor(connection: Connection, access: TableAccess) {
    super(access, newestState(connection))
    this.#connection = connection
    this.#access = access
  }

  async insert(row: S['newRow'], options?: InsertOptions<S>): Promise<CommitResult> {
    return this.insertMany([row], options)
  }

  async insertMany(rows: readonly S['newRow'][], options?: InsertOptions<S>): Promise<CommitResult> {
    return this.#commit(insertMutation(this.#access, rows, options), options)
  }

  async upsert(row: S['newRow'], options?: RequestOptions & { ttlMs?: number }): Promise<CommitResult> {
    return this.upsertMany([row], options)
  }

  async upsertMany(rows: readonly S['newRow'][], options?: RequestOptions & { ttlMs?: number }): Promise<CommitResult> {
    return this.#commit(upsertMutation(this.#access, rows, options), options)
  }

  async update(key: S['key'], set: UpdateSet<S>, options?: UpdateOptions): Promise<CommitResult> {
    return this.#commit(updateMutation(this.#access, key, set), options, this.#ifSeq(key, options?.ifSeq))
  }

  async delete(key: S['key'], options?: UpdateOptions): Promise<boolean> {
    const { results } = await this.#commit(deleteMutation(this.#access, key), options, this.#ifSeq(key, options?.ifSeq))
    return results[0] === true
  }

  async compareAndSet(
    key: S['key'],
    expectedSeq: number,
    row: S['newRow'],
    options?: RequestOptions & { ttlMs?: number },
  ): Promise<CommitResult> {
    this.#access.requireKeyOf(row, key)
    const assertions = this.#ifSeq(key, requireSeq('the expected seq', expectedSeq))
    return this.#commit(upsertMutation(this.#access, [row], options), options, assertions)
  }

  async updateWhere(
    where: Condition<S['row']> | undefined,
    set: UpdateSet<S>,
    options?: RequestOptions & { limit?: number },
  ): Promise<number> {
    return countOf(await this.#commit(updateWhereMutation(this.#access, where, set, options), options))
  }

  async deleteWhere(
    where: Condition<S['row']> | undefined,
    options?: RequestOptions & { limit?: number },
  ): Promise<number> {
    return countOf(await this.#commit(deleteWhereMutation(this.#access, where, options), options))
  }

  async updateWhereReturning(
    where: Condition<S['row']>,
    set: UpdateSet<S>,
    options?: ClaimOptions<S>,
  ): Promise<UpdatedRow<S['row']> | undefined> {
    return claimRow<S>(this.#connection, this.#access, where, set, options)
  }

  async claimOne(
    where: Condition<S['row']>,
    set: UpdateSet<S>,
    options?: ClaimOptions<S>,
  ): Promise<UpdatedRow<S['row']> | undefined> {
    return claimRow<S>(this.#connection, this.#access, where, set, options)
  }

  watch(options?: TableWatchOptions<S>): AsyncIterable<TableWatchEvent<S>> {
    return watchTable<S>(this.#connection, this.#access, options)
  }

  #ifSeq(key: S['key'], seq: number | undefined): Assertion[] {
    if (seq === undefined) return []
    const expected = requireSeq('the expected seq', seq)
    return [{ type: 'rowVersion', ...this.#access.target, key: this.#access.encodeKey(key), seq: expected }]
  }

  async #commit(
    mutation: TableMutation,
    options: RequestOptions | undefined,
    assertions: readonly Assertion[] = [],
  ): Promise<CommitResult> {
    return submit(this.#connection, { assertions, mutations: [mutation] }, options)
  }
}

function countOf({ results }: CommitResult): number {
  const count = results[0]
  if (typeof count !== 'bigint') throw new QuorateError('internal', 'no count was answered', { applied: 'yes' })
  return Number(count)
}
