import { checkedDdl, checkedTransaction, DEFAULT_SCOPE } from '../../encoding/index.ts'
import type {
  Assertion,
  Ddl,
  Mutation,
  TableMutation,
  TableTarget,
  TransactionEnvelope,
  Value,
} from '../../encoding/index.ts'
import type { RequestOptions } from '../consistency.ts'
import type { CoreRead, CoreView, KeyValueOptions, Transaction, TransactionKeyValue } from '../database.ts'
import type { NewEvent } from '../database-events.ts'
import { QuorateError } from '../errors.ts'
import type { QueryData } from '../query.ts'
import type { ReadRequest } from '../reads.ts'
import type { TransactionTable } from '../database-table-writes.ts'
import type { Query } from '../database-tables.ts'
import { invalid, requireOptions } from './arguments.ts'
import { checked, type Budget, type Connection } from './connection.ts'
import { mapKey, OwnWrites, type OwnWrite } from './own-writes.ts'
import { ReadSetRecorder } from './read-set.ts'
import type { ReadSource } from './read-source.ts'
import { withSignal } from './shared-signal.ts'
import { Space } from './space.ts'
import { CoreQuery } from './tables/core-query.ts'
import { queriedTables } from '../tables/index.ts'
import type { BuiltQuery, QuerySource, TableDefinition, TableShape, UntypedShape } from '../tables/index.ts'
import { TableWrites } from './tables/own-rows.ts'
import { TableAccess } from './tables/table-access.ts'
import { CoreTransactionTable, type TableTransaction } from './tables/transaction-table.ts'
import { CoreTransactionKeyValue, type TransactionState } from './transaction-key-value.ts'

/** One run of a transaction's body: its view, what it has read and what it wants to write. */
export class TransactionAttempt implements Transaction, TransactionState, TableTransaction {
  readonly attempt: number
  readonly signal: AbortSignal
  readonly seq: number
  readonly readSet: ReadSetRecorder = new ReadSetRecorder()
  readonly #connection: Connection
  readonly #view: CoreView
  readonly #budget: Budget
  readonly #writes = new Map<string, OwnWrites>()
  /** In the order given; a write that a later one of the same key replaces leaves a hole. */
  readonly #mutations: (Mutation | undefined)[] = []
  readonly #assertions: Assertion[] = []
  readonly #tableWrites = new Map<string, TableWrites>()
  #isOpen = true
  #viewLost: QuorateError | undefined

  constructor(connection: Connection, view: CoreView, budget: Budget, signal: AbortSignal, attempt: number) {
    this.#connection = connection
    this.#view = view
    this.#budget = budget
    this.signal = signal
    this.attempt = attempt
    this.seq = view.seq
  }

  kv<K = string, V = Uint8Array>(project: string, options?: KeyValueOptions<K, V>): TransactionKeyValue<K, V> {
    return new CoreTransactionKeyValue(this, new Space(project, options))
  }

  table<S extends TableShape>(definition: TableDefinition<S>): TransactionTable<S>
  table(target: TableTarget): TransactionTable<UntypedShape>
  table(source: QuerySource): TransactionTable<UntypedShape> {
    return new CoreTransactionTable(this, new TableAccess(source))
  }

  query<R>(query: BuiltQuery<R>): Query<R>
  query(query: QueryData): Query<Record<string, Value>>
  query(query: BuiltQuery<unknown> | QueryData): Query<unknown> {
    return new CoreQuery(this.source, query)
  }

  assert(assertion: Assertion): void {
    this.#requireOpen()
    const { assertions = [] } = checked(checkedTransaction, { assertions: [assertion], mutations: [] })
    this.#assertions.push(...assertions)
  }

  emit({ project, scope = DEFAULT_SCOPE, topic, key, payload }: NewEvent & { project: string; scope?: string }): void {
    this.#requireOpen()
    const event = { type: 'emitEvent', project, scope, topic, key, payload }
    this.#mutations.push(...checked(checkedTransaction, { mutations: [event] }).mutations)
  }

  ddl(operation: Ddl): void {
    this.#requireOpen()
    for (const checkedOperation of checked(checkedDdl, operation)) {
      this.#mutations.push({ type: 'ddl', operation: checkedOperation })
    }
  }

  /** Set when a read failed because the view could not be kept: the body cannot go on, but another run can. */
  get viewLost(): QuorateError | undefined {
    return this.#viewLost
  }

  /** From now on every use of the transaction is refused: its body is over. */
  end(): void {
    this.#isOpen = false
  }

  /** Reads of the view that are noted; a query has to be one that own writes do not change. */
  get source(): ReadSource {
    const read = (request: ReadRequest, options: RequestOptions | undefined): Promise<CoreRead> =>
      this.read(request, options)
    return {
      monotonicMs: () => this.#connection.core.time.monotonicMs(),
      read,
      openPages: options => Promise.resolve({ read: request => read(request, options), close: () => undefined }),
    }
  }

  /** Reads the view. What queries and rows have seen is noted; what keys have seen is noted by their reader. */
  async read(request: ReadRequest, options: RequestOptions | undefined): Promise<CoreRead> {
    if (request.type === 'query') this.#requireUnwritten(request.query)
    const isNoted = request.type === 'query' || request.type === 'rows'
    const answer = await this.readUnnoted(isNoted ? { ...request, readSet: true } : request, options)
    if (!isNoted) return answer
    const { result } = answer
    const readSet = result.type === 'query' || result.type === 'rows' ? result.readSet : undefined
    if (readSet === undefined) throw new QuorateError('internal', 'a read of a transaction came without its read set')
    this.readSet.add(readSet)
    return answer
  }

  /** Reads the view without a trace: the commit does not need what it has seen. */
  async readUnnoted(request: ReadRequest, options?: RequestOptions): Promise<CoreRead> {
    this.#requireOpen()
    if (options !== undefined) requireOptions(options)
    try {
      return await this.#connection.core.read(request, {
        ...this.#budget.next(),
        ...withSignal(this.signal),
        view: this.#view,
      })
    } catch (error) {
      if (error instanceof QuorateError && error.code === 'view_expired') this.#viewLost = error
      throw error
    }
  }

  #requireUnwritten(query: QueryData): void {
    for (const { project, scope, table } of queriedTables(query)) {
      if (this.#tableWrites.has(`${project}/${scope}/${table}`)) {
        throw invalid(`the transaction has written to ${table}: query first, then write`)
      }
    }
  }

  tableWrites({ target: { project, scope, table } }: TableAccess): TableWrites {
    this.#requireOpen()
    return this.#tableWrites.get(`${project}/${scope}/${table}`) ?? new TableWrites()
  }

  writeTable(access: TableAccess, mutation: TableMutation): void {
    const writes = this.tableWrites(access)
    const { project, scope, table } = access.target
    this.#tableWrites.set(`${project}/${scope}/${table}`, writes)
    writes.add(mutation)
    this.#mutations.push(mutation)
  }

  ownWrites(project: string, scope: string): OwnWrites {
    this.#requireOpen()
    const id = `${project}/${scope}`
    let writes = this.#writes.get(id)
    if (writes === undefined) {
      writes = new OwnWrites()
      this.#writes.set(id, writes)
    }
    return writes
  }

  write(project: string, scope: string, write: Omit<OwnWrite, 'position'>): void {
    this.#requireOpen()
    const { key, value, ttlMs } = write
    const writes = this.ownWrites(project, scope)
    const id = mapKey(key)
    const earlier = writes.find(id)
    if (earlier !== undefined) this.#mutations[earlier.position] = undefined
    writes.put(id, { key, value, ttlMs, position: this.#mutations.length })
    const target = { project, scope, key }
    this.#mutations.push(
      value === undefined
        ? { type: 'kvDelete', ...target }
        : { type: 'kvSet', ...target, value, ...(ttlMs !== undefined && { ttlMs }) },
    )
  }

  /** What is to be committed; undefined if nothing was written or asserted. */
  toEnvelope(): TransactionEnvelope | undefined {
    const mutations = this.#mutations.filter(mutation => mutation !== undefined)
    if (mutations.length === 0 && this.#assertions.length === 0) return undefined
    return { assertions: this.#assertions, readSet: this.readSet.toReadSet(), mutations }
  }

  #requireOpen(): void {
    if (!this.#isOpen) throw new QuorateError('closed', 'the transaction is over')
  }
}
