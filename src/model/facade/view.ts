import type { TableTarget, Value } from '../../encoding/index.ts'
import { formatToken, type RequestOptions, type Token } from '../consistency.ts'
import type {
  CoreRead,
  CoreView,
  KeyValueOptions,
  KeyValueReader,
  ScanScopesOptions,
  ScopedEntry,
  View,
} from '../database.ts'
import { QuorateError } from '../errors.ts'
import type { QueryData } from '../query.ts'
import type { ReadRequest } from '../reads.ts'
import type { Query, TableReader } from '../database-tables.ts'
import { invalid } from './arguments.ts'
import { Budget, coreOptions, type Connection } from './connection.ts'
import type { CommitEvents, EventQuery, EventReader, EventsOptions } from '../database-events.ts'
import { EventQueries, EventReads, readCommitEvents } from './event-reads.ts'
import type { LifecycleOptions, LifecycleReader } from '../lifecycle.ts'
import { lifecycleReader } from './lifecycle.ts'
import { KeyValueReads } from './key-value-reads.ts'
import type { ReadSource } from './read-source.ts'
import { scanScopes } from './scan-scopes.ts'
import { Space } from './space.ts'
import { CoreQuery } from './tables/core-query.ts'
import type { BuiltQuery, QuerySource, TableDefinition, TableShape, UntypedShape } from '../tables/index.ts'
import { TableAccess } from './tables/table-access.ts'
import { TableReads } from './tables/table-reads.ts'

/** A pinned state as the public surface shows it. */
export class PinnedView implements View {
  readonly seq: number
  readonly token: Token
  readonly #connection: Connection
  readonly #view: CoreView
  #isClosed = false

  constructor(connection: Connection, view: CoreView) {
    this.#connection = connection
    this.#view = view
    this.seq = view.seq
    this.token = formatToken(view.historyId, view.seq)
  }

  kv<K = string, V = Uint8Array>(project: string, options?: KeyValueOptions<K, V>): KeyValueReader<K, V> {
    return new KeyValueReads(new Space(project, options), this.#source())
  }

  scanScopes<K = string, V = Uint8Array>(
    project: string,
    options?: ScanScopesOptions<K, V>,
  ): AsyncIterable<ScopedEntry<K, V>> {
    return scanScopes(this.#source(), project, options)
  }

  table<S extends TableShape>(definition: TableDefinition<S>): TableReader<S>
  table(target: TableTarget): TableReader<UntypedShape>
  table(source: QuerySource): TableReader<UntypedShape> {
    return new TableReads(new TableAccess(source), this.#source())
  }

  query<R>(query: BuiltQuery<R>): Query<R>
  query(query: QueryData): Query<Record<string, Value>>
  query(query: BuiltQuery<unknown> | QueryData): Query<unknown> {
    return new CoreQuery(this.#source(), query)
  }

  events(project: string, options?: EventsOptions): EventReader {
    return new EventReads(this.#source(), project, options)
  }

  projectEvents(project: string, { topic }: Pick<EventsOptions, 'topic'> = {}): EventQuery {
    return new EventQueries(this.#source(), { project, ...(topic !== undefined && { topic }) })
  }

  commitEvents(seq: number, options?: RequestOptions): Promise<CommitEvents> {
    return readCommitEvents(this.#source(), seq, options)
  }

  lifecycle(options?: LifecycleOptions): LifecycleReader {
    return lifecycleReader(this.#source(), options)
  }

  #source(): ReadSource {
    return {
      monotonicMs: () => this.#connection.core.time.monotonicMs(),
      read: async (request, options) => this.#read(request, options),
      openPages: options => {
        const budget = new Budget(this.#connection, options)
        return Promise.resolve({
          read: async (request: ReadRequest) => this.#read(request, budget.next()),
          close: () => undefined,
        })
      },
    }
  }

  #read(request: ReadRequest, options: RequestOptions | undefined): Promise<CoreRead> {
    if (this.#isClosed) throw new QuorateError('closed', 'the view is closed')
    if (options?.consistency !== undefined) throw invalid('a view has one state: no consistency can be asked of it')
    return this.#connection.core.read(request, { ...coreOptions(this.#connection, options), view: this.#view })
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#view.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
