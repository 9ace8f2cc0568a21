import type { Assertion, ColumnType, Ddl, Row, TableTarget, TransactionEnvelope, Value } from '../encoding/index.ts'
import type { AuditPage, AuditVerification, ReadAuditOptions, VerifyAuditOptions } from './audit.ts'
import type { CommitResult } from './commit-result.ts'
import type { Consistency, Finality, RequestOptions, Token, WriteClass } from './consistency.ts'
import type { EventsOptions, EventStream, NewEvent } from './database-events.ts'
import type { DatabaseHead } from './database-head.ts'
import type { FinishedJob, JobPlace } from './database-jobs.ts'
import type { PreflightResult } from './database-preflight.ts'
import type { RequestReference } from './errors.ts'
import type { LifecycleOptions, LifecycleStream } from './lifecycle.ts'
import type { LockScope } from './locks/lock-scope.ts'
import type { BuiltQuery, TableDefinition, TableShape, UntypedShape } from './tables/index.ts'
import type { QueryData } from './query.ts'
import type { JobData, NamedPlace, ProjectUsage, ReadRequest, ReadResult, TableDescription } from './reads.ts'
import type { KeyValueOptions, KeyValueReader, StateReader, View } from './database-reads.ts'
import type { Table, TransactionTable } from './database-table-writes.ts'
import type { Query } from './database-tables.ts'
import type { Change, TableWatchEvent, WatchEvent, WatchOptions } from './watch-events.ts'

/**
 * One database, three deployments: `Engine` (embedded), `Replica` (inside a node) and `Client` (remote) implement this interface and
 * pass the same conformance suite (`quorate/testing`).
 */
export interface Database extends StateReader, AsyncDisposable {
  /**
   * Every call of the result is made as `caller`. On a Client this needs the `impersonate` permission and is audited.
   * Closing the result leaves this database open.
   */
  as(caller: string): Database
  /** Applies the operations in one transaction, all or none. The error of a refusal names the operation. */
  ddl(operation: Ddl | readonly Ddl[], options?: DdlOptions): Promise<DdlResult>
  /** Applies the envelope exactly once; resolves when it is durable and applied. @throws QuorateError */
  commit(envelope: TransactionEnvelope, options?: RequestOptions): Promise<CommitResult>
  kv<K = string, V = Uint8Array>(project: string, options?: KeyValueOptions<K, V>): KeyValueSpace<K, V>
  table<S extends TableShape>(definition: TableDefinition<S>): Table<S>
  table(target: TableTarget): Table<UntypedShape>
  /** The events that transactions emit into a scope. */
  events(project: string, options?: EventsOptions): EventStream
  /** What happens to projects, scopes and tables: read and followed like events, for they are events of `_system`. */
  lifecycle(options?: LifecycleOptions): LifecycleStream
  /** Pins one state for many reads. */
  view(options?: RequestOptions): Promise<View>
  /**
   * Serializable: `body` reads from one view and its own writes; its writes are applied together if nothing it read has changed,
   * otherwise the body runs again after a wait with jitter. A throw rolls back. @throws ConflictError when the time or the attempts are used up
   */
  transaction<T>(body: (tx: Transaction) => Promise<T>, options?: TransactionOptions): Promise<T>
  /** Every change of the rows of a table; `table(..).watch` gives them their types. */
  watch(selector: TableWatchSelector, options?: WatchOptions): AsyncIterable<TableWatchEvent<UntypedShape>>
  /** Every change of the selected keys, in order, never half a commit; resumes after `from`. */
  watch(selector: WatchSelector, options?: WatchOptions): AsyncIterable<WatchEvent>
  /**
   * The recorded outcome of a request whose answer was lost, while its session lives; undefined = nothing is recorded. `isDuplicate` is
   * true: asking applies nothing.
   * @throws QuorateError the refusal, if the request was refused
   */
  outcome(reference: RequestReference): Promise<CommitResult | undefined>
  /** All projects, by name. */
  projects(options?: RequestOptions): Promise<readonly NamedPlace[]>
  /** The scopes of a project. @throws QuorateError `project_not_found` */
  scopes(project: string, options?: RequestOptions): Promise<readonly NamedPlace[]>
  /**
   * What a project holds, and its quota: exact, and told without looking at a record. By its owner, or who administers it.
   * @throws QuorateError `project_not_found`, `permission_denied`
   */
  usage(project: string, options?: RequestOptions): Promise<ProjectUsage>
  /** The same of all projects that the caller may ask about, by name. */
  usages(options?: RequestOptions): Promise<readonly ProjectUsage[]>
  /** The tables of a scope (default `app`), by name. @throws QuorateError `project_not_found`, `scope_not_found` */
  tables(project: string, options?: RequestOptions & { scope?: string }): Promise<readonly TableDescription[]>
  /**
   * Whether the transaction would be committed if it were applied now, and what it would change: advice, for the state may be another
   * one a moment later. Decided as a commit is, permissions included; nothing is changed or audited.
   */
  preflight(envelope: TransactionEnvelope, options?: RequestOptions): Promise<PreflightResult>
  /**
   * A preflight, and a commit of what it found: refused (`conflict`) if a row or key that it changes has changed in between.
   * @throws QuorateError what the preflight or the commit is refused with
   */
  commitWithPreflight(envelope: TransactionEnvelope, options?: RequestOptions): Promise<CommitResult>
  /** What the database still does in the background, the oldest first: builds of indexes, looks at rows for new rules, removals. */
  jobs(place?: JobPlace, options?: RequestOptions): Promise<readonly JobData[]>
  /** Waits until the jobs of a place that there are now have ended; answers what became of each. @throws QuorateError `timeout`, `aborted` */
  waitForJobs(place?: JobPlace, options?: RequestOptions): Promise<readonly FinishedJob[]>
  /**
   * The newest audit rows, or those before a seq, newest first, whole entries; needs the admin permission.
   * @throws QuorateError `permission_denied`, `invalid_argument`
   */
  audit(options?: ReadAuditOptions): Promise<AuditPage>
  /**
   * Follows the hashes of all audit rows that are kept, in one state. The node that is asked calculates each from the row itself.
   * @throws QuorateError `permission_denied`, `invalid_argument`
   */
  verifyAudit(options?: VerifyAuditOptions): Promise<AuditVerification>
  /**
   * Leader time in us, as it is estimated here from what the nodes say of it: the same for all clients, whatever the clocks of their own
   * machines say. For due times of work that others may take over; expiries (`ttlMs`) are exact and need no clock.
   */
  leaderTimeMicros(): number
  /**
   * The replicated settings by name, whole numbers (docs/reference/settings.md); whoever may come in may read them. `ddl` with `setSetting`
   * changes one. @throws QuorateError as a read
   */
  settings(options?: RequestOptions): Promise<Readonly<Record<string, number>>>
  /**
   * How far reads see and how far no crash reaches: with the default consistency at least everything that was acknowledged before the
   * call, to anybody. @throws QuorateError as a read
   */
  head(options?: RequestOptions): Promise<DatabaseHead>
  /**
   * Resolves once everything through `point` (a seq, or a token) is there and synced: in a cluster by a majority, as every acknowledged write
   * is; an embedded engine syncs now what is not synced yet. @throws QuorateError `seq_unavailable` if there is no such entry (a cluster waits for it
   * first), `history_changed`, `timeout`, `aborted`, `storage_failed`
   */
  waitForDurable(point: Token | number, options?: RequestOptions): Promise<DatabaseHead>
  /**
   * Locks of this process, shared by all who use this database here (`as` included): they order the work of one program, without a
   * request. Between processes there are `Leases`.
   */
  lockScope(): LockScope
  status(): Promise<DatabaseStatus>
  close(): Promise<void>
}

export type { CommitResult }
export type * from './database-reads.ts'
export type * from './watch-events.ts'

export interface DdlOptions extends RequestOptions {
  /**
   * `given` (the default) applies the operations as they come. `dependencies` lets each find what it rests on: projects before scopes
   * before tables before indexes and foreign keys, removals the other way round. Operations that depend on each other in a circle are
   * refused (`invalid_argument`).
   */
  order?: 'given' | 'dependencies'
}

export interface DdlResult {
  seq: number
  token: Token
  /** Per operation, in the order given: whether it changed anything. */
  changed: readonly boolean[]
}

export interface SetOptions extends RequestOptions {
  /** Expires this long after the write, by leader time. */
  ttlMs?: number
  /** Writes only if the key's last change has this seq. @throws QuorateError `assertion_failed` with the actual seq */
  ifSeq?: number
  /** Writes only if there is no such key. @throws QuorateError `assertion_failed` with the actual seq */
  ifAbsent?: boolean
}

export interface NumberOptions extends RequestOptions {
  /** Bits of the stored unsigned integer; default 64. */
  width?: 64 | 256
  onMissing?: 'zero' | 'reject'
}

export interface ExtremeOptions extends RequestOptions {
  /** Bits of the stored unsigned integer; default 64. */
  width?: 64 | 256
  onMissing?: 'set' | 'zero' | 'reject'
}

/** An unsigned sum; it only grows. */
export interface Counter {
  add(by?: bigint | number, options?: RequestOptions): Promise<CommitResult>
  value(options?: RequestOptions): Promise<bigint>
}

export interface KeyValueSpace<K, V> extends KeyValueReader<K, V> {
  /** How many keys the scope has: exact, and told without looking at them. Needs the permission to read them all. */
  count(options?: RequestOptions): Promise<number>
  set(key: K, value: V, options?: SetOptions): Promise<CommitResult>
  /**
   * Sets several keys in one commit, all or none, in the order given (of a key that comes twice the last value stays). One entry of the
   * log whatever their number, so many times as fast as one `set` after the other.
   * @throws QuorateError `invalid_argument` without an entry; otherwise as `set`
   */
  setMany(entries: Iterable<readonly [K, V]>, options?: RequestOptions & { ttlMs?: number }): Promise<CommitResult>
  /** Deleting a missing key is a success. */
  delete(key: K, options?: RequestOptions & { ifSeq?: number }): Promise<CommitResult>
  /** Adds to an unsigned integer (8 or 32 bytes, big-endian) and answers the new number. */
  increment(
    key: K,
    by?: bigint | number,
    options?: NumberOptions & { onOverflow?: 'reject' | 'saturate' },
  ): Promise<bigint>
  decrement(
    key: K,
    by?: bigint | number,
    options?: NumberOptions & { onUnderflow?: 'reject' | 'saturate' | 'ignore' },
  ): Promise<bigint>
  /** The larger of the number and `value`, an unsigned integer; a missing key counts as smaller than any, unless `onMissing` says otherwise. */
  max(key: K, value: bigint | number, options?: ExtremeOptions): Promise<bigint>
  /** The smaller of the two; a missing key counts as larger than any. */
  min(key: K, value: bigint | number, options?: ExtremeOptions): Promise<bigint>
  /** Adds to a signed integer (8 bytes, big-endian) and answers the new number. @throws QuorateError `overflow`, `underflow` beyond it or a bound */
  addSigned(
    key: K,
    by: bigint | number,
    options?: RequestOptions & { min?: bigint; max?: bigint; onMissing?: 'zero' | 'reject' },
  ): Promise<bigint>
  /** A number of many shards, which many may add to at the same time. All who use it name as many shards; default 16. */
  counter(key: K, options?: { shards?: number }): Counter
  /** All in one commit. */
  deleteMany(keys: Iterable<K>, options?: RequestOptions): Promise<CommitResult>
  /** Computes the number only if the key's last change has `expectedSeq` (0 = absent, then from 0). @throws QuorateError `assertion_failed` */
  compareAndCompute(
    key: K,
    expectedSeq: number,
    op: 'set' | 'add' | 'subtract',
    operand: bigint | number,
    options?: RequestOptions & { width?: 64 | 256 },
  ): Promise<bigint>
  /** Writes only if the key's last change has `expectedSeq` (0 = absent). @throws QuorateError `assertion_failed` */
  compareAndSet(key: K, expectedSeq: number, value: V, options?: SetOptions): Promise<CommitResult>
  watch(options?: WatchOptions & { prefix?: K }): AsyncIterable<WatchEvent>
}

/**
 * Under an `idempotencyKey` a transaction is applied once. A repetition whose body has read and written other things, as one that reads what
 * it changes does, is refused with `idempotency_mismatch`: what the first body gave nobody knows any more.
 */
export interface TransactionOptions extends RequestOptions {
  /**
   * How often the body may run; default: as often as the time allows. Where no `timeoutMs` is given either, it runs again only within the
   * time of a call (30 s, or what the client was opened with) from the first run on; no run is cut short then.
   */
  attempts?: number
}

export interface Transaction {
  /** From 1. */
  readonly attempt: number
  /** Aborted when the transaction's time is used up or its caller aborts. */
  readonly signal: AbortSignal
  /** The seq that the body reads at. */
  readonly seq: number
  kv<K = string, V = Uint8Array>(project: string, options?: KeyValueOptions<K, V>): TransactionKeyValue<K, V>
  /** A table by its definition, with typed rows, or by where it lies, whose cells are then values as they are. */
  table<S extends TableShape>(definition: TableDefinition<S>): TransactionTable<S>
  table(target: TableTarget): TransactionTable<UntypedShape>
  /** A query of the builder (`from`) or as data. What it reads must be the same at the commit. Refused (`invalid_argument`) on tables that the transaction has written to: query first, then write. */
  query<R>(query: BuiltQuery<R>): Query<R>
  query(query: QueryData): Query<Record<string, Value>>
  /** The commit is refused (`assertion_failed`) unless it holds then, before the transaction's writes. */
  assert(assertion: Assertion): void
  /** Emits an event into the scope (default `app`) with the commit. */
  emit(event: NewEvent & { project: string; scope?: string }): void
  /** Adds a catalog change. */
  ddl(operation: Ddl): void
}

/**
 * Reads see the view and the transaction's own writes; a scan sees the writes made before its first step. The entry of an own
 * write has seq 0, for it has none yet.
 */
export interface TransactionKeyValue<K, V> extends KeyValueReader<K, V> {
  set(key: K, value: V, options?: { ttlMs?: number }): void
  delete(key: K): void
}

/** Keys of one scope that start with `prefix` (absent = all). */
export interface WatchSelector {
  project: string
  scope?: string
  prefix?: Uint8Array
}

/** Rows of a table whose primary key begins with the cells of `prefix` (absent = all). */
export interface TableWatchSelector extends TableTarget {
  prefix?: Row
}

export interface DatabaseStatus {
  deployment: 'engine' | 'replica' | 'client'
  historyId: string
  /** Newest applied seq, as known here. */
  appliedSeq: number
  /** Newest seq that this node knows to be committed, also where it does not have it yet: it is `commitSeq - appliedSeq` behind. */
  commitSeq: number
  term: number
  role: 'alone' | 'leader' | 'follower' | 'candidate' | 'suspect' | 'unjoined' | 'unknown'
  nodeId: number
  leader: { nodeId: number; name: string; clientAddress: string } | undefined
  members: readonly {
    nodeId: number
    name: string
    peerAddress: string
    clientAddress: string
    role: 'voter' | 'learner'
  }[]
}

/**
 * What a deployment provides; `createDatabase` builds the whole `Database` on it, so that all three behave alike.
 * `caller` undefined = the connection's own.
 */
export interface DatabaseCore {
  /** Resolves with the outcome of an applied (committed or refused) envelope. */
  submit(envelope: Uint8Array, options: CoreOptions): Promise<CoreOutcome>
  read(request: ReadRequest, options: CoreOptions & { view?: CoreView }): Promise<CoreRead>
  openView(options: CoreOptions): Promise<CoreView>
  watch(selector: CoreWatchSelector, options: CoreOptions & { from?: Token }): AsyncIterable<CoreWatchEvent>
  /** The outcome recorded for a request of this or another connection. */
  outcome(reference: RequestReference, options: CoreOptions): Promise<CoreOutcome | undefined>
  status(): Promise<DatabaseStatus>
  close(): Promise<void>
  /** See `Database.leaderTimeMicros`. */
  leaderTimeMicros(): number
  /** How long a call may take that gives no time itself, ms; default 30,000. What the core does by itself for ever is not bounded by it. */
  readonly callTimeoutMs?: number
  /** Where what is acknowledged may not be synced yet; absent: it always is. */
  readonly durability?: { readonly durableSeq: number; untilDurable(seq: number): Promise<void> }
  /** For backoff and deadlines above the core. */
  readonly time: { monotonicMs(): number; delay(ms: number, signal?: AbortSignal): Promise<void>; random(): number }
}

export interface CoreOptions {
  caller?: string
  signal?: AbortSignal
  timeoutMs?: number
  consistency?: Consistency
  writeClass?: WriteClass
  finality?: Finality
}

export interface CoreOutcome {
  /** encoding/outcome.ts */
  outcome: Uint8Array
  historyId: string
  /** Through where everything was synced when it was answered; absent: whatever is answered is durable, as in a cluster. */
  durableSeq?: number
}

export interface CoreRead {
  result: ReadResult
  seq: number
  historyId: string
}

/** A pinned state; a remote one may be reopened on another node at the same seq. */
export interface CoreView {
  readonly seq: number
  readonly historyId: string
  close(): Promise<void>
}

export interface CoreWatchSelector {
  project: string
  scope: string
  prefix: Uint8Array
  /** Tells of events, whose topics begin with `prefix`, instead of keys: each change has the topic as its key and an empty value. */
  events?: true
  /** Tells of the rows of a table instead of keys: `prefix` is empty. */
  table?: string
  /** Only of rows whose primary key begins with these cells. */
  key?: Row
}

/** Changes of rows in one commit, as a node tells of them. */
export interface WatchedRows {
  /** All columns of the table, as it is now. */
  columns: readonly string[]
  types: readonly ColumnType[]
  /** Those of the primary key, in its order. */
  keyColumns: readonly string[]
  changes: readonly RowChangeData[]
}

/** `cells`: of a put the whole row by `columns`, otherwise the key by `keyColumns`. */
export interface RowChangeData {
  kind: Change['kind']
  cells: readonly Value[]
}

export type CoreWatchEvent =
  | { type: 'commit'; seq: number; historyId: string; changes: readonly Change[] }
  | ({ type: 'rows'; seq: number; historyId: string } & WatchedRows)
  | { type: 'progress'; seq: number; historyId: string }
  | { type: 'reset'; seq: number; historyId: string; view: CoreView }
