import type { TableTarget, Value } from '../encoding/index.ts'
import type { RequestOptions, Token } from './consistency.ts'
import type { CommitEvents, EventQuery, EventReader, EventsOptions } from './database-events.ts'
import type { LifecycleOptions, LifecycleReader } from './lifecycle.ts'
import type { Query, TableReader } from './database-tables.ts'
import type { QueryData } from './query.ts'
import type { BuiltQuery, TableDefinition, TableShape, UntypedShape } from './tables/index.ts'

/** What is read: keys, rows and events of one state, of the newest or of a view. */

/** Turns values of a type into bytes and back. For keys the order of the bytes is the order of the scan. */
export interface Codec<T> {
  encode(value: T): Uint8Array
  decode(bytes: Uint8Array): T
}

export interface KeyValueOptions<K, V> {
  scope?: string
  key?: Codec<K>
  value?: Codec<V>
}

export interface Entry<K, V> {
  key: K
  value: V
  seq: number
  createdSeq: number
  /** Leader time in us; undefined = never. */
  expiresAtMicros: number | undefined
}

export interface ScanOptions<K> extends RequestOptions {
  prefix?: K
  /** Inclusive. */
  start?: K
  /** Exclusive. */
  end?: K
  reverse?: boolean
  /** Entries at most; absent = all. */
  limit?: number
}

export interface ScanScopesOptions<K, V> extends ScanOptions<K> {
  key?: Codec<K>
  value?: Codec<V>
}

export interface ScopedEntry<K, V> extends Entry<K, V> {
  scope: string
}

export interface KeyValueReader<K, V> {
  get(key: K, options?: RequestOptions): Promise<V | undefined>
  getMany(keys: readonly K[], options?: RequestOptions): Promise<(V | undefined)[]>
  entry(key: K, options?: RequestOptions): Promise<Entry<K, V> | undefined>
  /** In key order. All pages of one scan come from the same state. */
  scan(options?: ScanOptions<K>): AsyncIterable<Entry<K, V>>
}

/** What a database reads of its newest state, and a view of its own. */
export interface StateReader {
  /** The keys of a scope (default `app`). Keys are strings (UTF-8) and values bytes unless codecs say otherwise. */
  kv<K = string, V = Uint8Array>(project: string, options?: KeyValueOptions<K, V>): KeyValueReader<K, V>
  /**
   * The keys of all scopes of a project, scope by scope by name, each in key order, all of one state. A scope that the caller may not read in
   * this range is left out. @throws QuorateError `project_not_found`, `permission_denied` if it may read none
   */
  scanScopes<K = string, V = Uint8Array>(
    project: string,
    options?: ScanScopesOptions<K, V>,
  ): AsyncIterable<ScopedEntry<K, V>>
  /** A table by its definition, with typed rows, or by where it lies, whose cells are then values as they are. */
  table<S extends TableShape>(definition: TableDefinition<S>): TableReader<S>
  table(target: TableTarget): TableReader<UntypedShape>
  /** A query of the builder (`from`) or as data. Nothing is read before it is run. */
  query<R>(query: BuiltQuery<R>): Query<R>
  query(query: QueryData): Query<Record<string, Value>>
  /** The events that transactions have emitted into a scope. */
  events(project: string, options?: EventsOptions): EventReader
  /** Those of all scopes of a project that the caller may read, each with its place, in one order: that of commits, then of scopes by name. */
  projectEvents(project: string, options?: Pick<EventsOptions, 'topic'>): EventQuery
  /**
   * What a commit has emitted, into whatever scope that the caller may read.
   * @throws QuorateError `permission_denied` where it may read none, `seq_unavailable` for a seq beyond the state, `invalid_argument`
   */
  commitEvents(seq: number, options?: RequestOptions): Promise<CommitEvents>
  /** What has happened to projects, scopes and tables. */
  lifecycle(options?: LifecycleOptions): LifecycleReader
}

export interface View extends StateReader, AsyncDisposable {
  readonly seq: number
  readonly token: Token
  close(): Promise<void>
}
