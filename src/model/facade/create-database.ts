import { checkedTransaction, DEFAULT_SCOPE } from '../../encoding/index.ts'
import type { Ddl, TableTarget, TransactionEnvelope, Value } from '../../encoding/index.ts'
import type { AuditPage, AuditVerification, ReadAuditOptions, VerifyAuditOptions } from '../audit.ts'
import type { RequestOptions, Token } from '../consistency.ts'
import type {
  CommitResult,
  CoreRead,
  Database,
  DatabaseCore,
  DatabaseStatus,
  DdlOptions,
  DdlResult,
  KeyValueOptions,
  KeyValueSpace,
  ScanScopesOptions,
  ScopedEntry,
  TableWatchEvent,
  TableWatchSelector,
  Transaction,
  TransactionOptions,
  View,
  WatchEvent,
  WatchOptions,
  WatchSelector,
} from '../database.ts'
import { QuorateError } from '../errors.ts'
import type { RequestReference } from '../errors.ts'
import type { LockScope } from '../locks/lock-scope.ts'
import { TableLockScope } from '../locks/lock-scope.ts'
import { LockTable } from '../locks/lock-table.ts'
import { requireName } from '../names.ts'
import type { QueryData } from '../query.ts'
import type { DatabaseHead } from '../database-head.ts'
import type { FinishedJob, JobPlace } from '../database-jobs.ts'
import type { PreflightResult } from '../database-preflight.ts'
import type { JobData, NamedPlace, ProjectUsage, ReadRequest, TableDescription } from '../reads.ts'
import type { Table } from '../database-table-writes.ts'
import type { Query } from '../database-tables.ts'
import { readAudit, verifyAudit } from './audit.ts'
import { rejected, requireCaller, requireSeq } from './arguments.ts'
import { checked, connectAs, coreOptions, submit, type Connection } from './connection.ts'
import type { CommitEvents, EventQuery, EventsOptions, EventStream } from '../database-events.ts'
import { submitDdl } from './ddl-batch.ts'
import { EventQueries, readCommitEvents } from './event-reads.ts'
import { CoreEventStream } from './event-stream.ts'
import { lifecycleStream } from './lifecycle.ts'
import type { LifecycleOptions, LifecycleStream } from '../lifecycle.ts'
import { CoreKeyValueSpace } from './key-value-space.ts'
import { readHead, waitForDurable } from './head.ts'
import { readJobs, waitForJobs } from './jobs.ts'
import { commitResult } from './outcome-result.ts'
import { commitChecked, preflightTransaction } from './preflight.ts'
import { scanScopes } from './scan-scopes.ts'
import { Space } from './space.ts'
import { CoreQuery } from './tables/core-query.ts'
import { CoreTable } from './tables/core-table.ts'
import type { BuiltQuery, QuerySource, TableDefinition, TableShape, UntypedShape } from '../tables/index.ts'
import { TableAccess } from './tables/table-access.ts'
import { runAttempts } from './transaction.ts'
import { newestState } from './sources.ts'
import { PinnedView } from './view.ts'
import { watchTable } from './tables/table-watch.ts'
import { watchDatabase } from './watch.ts'

/** What a deployment may say besides its core. */
export interface DatabaseDetails {
  /** On whose behalf calls are made; absent = the core's own caller. */
  caller?: string
}

/**
 * The whole `Database` on what a deployment provides. It holds no state of its own: order, retries, sessions and time budgets of
 * single requests are the core's; arguments, conditions, transactions, scans and the meaning of outcomes are here, once.
 */
export function createDatabase(core: DatabaseCore, details: DatabaseDetails = {}): Database {
  const caller = details.caller === undefined ? undefined : requireCaller(details.caller)
  const connection = connectAs(core, caller, new LockTable())
  return new CoreDatabase(connection, true)
}

class CoreDatabase implements Database {
  readonly #connection: Connection
  readonly #ownsCore: boolean

  constructor(connection: Connection, ownsCore: boolean) {
    this.#connection = connection
    this.#ownsCore = ownsCore
  }

  as(caller: string): Database {
    const { core, locks } = this.#connection
    return new CoreDatabase(connectAs(core, requireCaller(caller), locks), false)
  }

  ddl(operation: Ddl | readonly Ddl[], options?: DdlOptions): Promise<DdlResult> {
    return submitDdl(this.#connection, operation, options)
  }

  commit(envelope: TransactionEnvelope, options?: RequestOptions): Promise<CommitResult> {
    try {
      return submit(this.#connection, checked(checkedTransaction, envelope), options)
    } catch (error) {
      return rejected(error)
    }
  }

  kv<K = string, V = Uint8Array>(project: string, options?: KeyValueOptions<K, V>): KeyValueSpace<K, V> {
    return new CoreKeyValueSpace(this.#connection, new Space(project, options))
  }

  scanScopes<K = string, V = Uint8Array>(
    project: string,
    options?: ScanScopesOptions<K, V>,
  ): AsyncIterable<ScopedEntry<K, V>> {
    return scanScopes(newestState(this.#connection), project, options)
  }

  table<S extends TableShape>(definition: TableDefinition<S>): Table<S>
  table(target: TableTarget): Table<UntypedShape>
  table(source: QuerySource): Table<UntypedShape> {
    return new CoreTable(this.#connection, new TableAccess(source))
  }

  query<R>(query: BuiltQuery<R>): Query<R>
  query(query: QueryData): Query<Record<string, Value>>
  query(query: BuiltQuery<unknown> | QueryData): Query<unknown> {
    return new CoreQuery(newestState(this.#connection), query)
  }

  events(project: string, options?: EventsOptions): EventStream {
    return new CoreEventStream(this.#connection, project, options)
  }

  projectEvents(project: string, { topic }: Pick<EventsOptions, 'topic'> = {}): EventQuery {
    return new EventQueries(newestState(this.#connection), { project, ...(topic !== undefined && { topic }) })
  }

  commitEvents(seq: number, options?: RequestOptions): Promise<CommitEvents> {
    return readCommitEvents(newestState(this.#connection), seq, options)
  }

  lifecycle(options?: LifecycleOptions): LifecycleStream {
    return lifecycleStream(this.#connection, options)
  }

  async view(options?: RequestOptions): Promise<View> {
    const view = await this.#connection.core.openView(coreOptions(this.#connection, options))
    return new PinnedView(this.#connection, view)
  }

  async transaction<T>(body: (tx: Transaction) => Promise<T>, options?: TransactionOptions): Promise<T> {
    return (await runAttempts(this.#connection, body, options)).value
  }

  watch(selector: TableWatchSelector, options?: WatchOptions): AsyncIterable<TableWatchEvent<UntypedShape>>
  watch(selector: WatchSelector, options?: WatchOptions): AsyncIterable<WatchEvent>
  watch(
    selector: WatchSelector | TableWatchSelector,
    options?: WatchOptions,
  ): AsyncIterable<WatchEvent | TableWatchEvent<UntypedShape>> {
    if (!('table' in selector)) return watchDatabase(this.#connection, selector, options)
    const { prefix, ...target } = selector
    return watchTable<UntypedShape>(this.#connection, new TableAccess(target), {
      ...options,
      ...(prefix !== undefined && { prefix }),
    })
  }

  async outcome(reference: RequestReference): Promise<CommitResult | undefined> {
    requireSeq('session', reference.session)
    requireSeq('serial', reference.serial)
    const recorded = await this.#connection.core.outcome(reference, this.#connection.plainOptions)
    return recorded === undefined ? undefined : { ...commitResult(recorded), isDuplicate: true }
  }

  async projects(options?: RequestOptions): Promise<readonly NamedPlace[]> {
    const { result } = await this.#read({ type: 'projects' }, options)
    if (result.type !== 'projects') throw unfitAnswer('projects', result.type)
    return result.projects
  }

  async scopes(project: string, options?: RequestOptions): Promise<readonly NamedPlace[]> {
    requireName('project', project)
    const { result } = await this.#read({ type: 'scopes', project }, options)
    if (result.type !== 'scopes') throw unfitAnswer('scopes', result.type)
    return result.scopes
  }

  async usage(project: string, options?: RequestOptions): Promise<ProjectUsage> {
    requireName('project', project)
    const [usage] = await this.#usage({ type: 'usage', project }, options)
    if (usage === undefined) throw new QuorateError('internal', 'a project that holds nothing known')
    return usage
  }

  usages(options?: RequestOptions): Promise<readonly ProjectUsage[]> {
    return this.#usage({ type: 'usage' }, options)
  }

  async #usage(request: ReadRequest, options: RequestOptions | undefined): Promise<readonly ProjectUsage[]> {
    const { result } = await this.#read(request, options)
    if (result.type !== 'usage') throw unfitAnswer('usage', result.type)
    return result.projects
  }

  async tables(
    project: string,
    options: RequestOptions & { scope?: string } = {},
  ): Promise<readonly TableDescription[]> {
    const { scope = DEFAULT_SCOPE, ...requestOptions } = options
    requireName('project', project)
    requireName('scope', scope)
    const { result } = await this.#read({ type: 'tables', project, scope }, requestOptions)
    if (result.type !== 'tables') throw unfitAnswer('tables', result.type)
    return result.tables
  }

  async preflight(envelope: TransactionEnvelope, options?: RequestOptions): Promise<PreflightResult> {
    return preflightTransaction(this.#connection, envelope, options)
  }

  async commitWithPreflight(envelope: TransactionEnvelope, options?: RequestOptions): Promise<CommitResult> {
    return commitChecked(this.#connection, envelope, options)
  }

  async jobs(place: JobPlace = {}, options?: RequestOptions): Promise<readonly JobData[]> {
    return readJobs(this.#connection, place, options)
  }

  async waitForJobs(place: JobPlace = {}, options?: RequestOptions): Promise<readonly FinishedJob[]> {
    return waitForJobs(this.#connection, place, options)
  }

  audit(options?: ReadAuditOptions): Promise<AuditPage> {
    return readAudit(this.#connection, options)
  }

  verifyAudit(options?: VerifyAuditOptions): Promise<AuditVerification> {
    return verifyAudit(this.#connection, options)
  }

  async settings(options?: RequestOptions): Promise<Readonly<Record<string, number>>> {
    const { result } = await this.#read({ type: 'settings' }, options)
    if (result.type !== 'settings') throw unfitAnswer('settings', result.type)
    return result.settings
  }

  head(options?: RequestOptions): Promise<DatabaseHead> {
    return readHead(this.#connection, options)
  }

  waitForDurable(point: Token | number, options?: RequestOptions): Promise<DatabaseHead> {
    return waitForDurable(this.#connection, point, options)
  }

  leaderTimeMicros(): number {
    return this.#connection.core.leaderTimeMicros()
  }

  async #read(request: ReadRequest, options: RequestOptions | undefined): Promise<CoreRead> {
    return this.#connection.core.read(request, coreOptions(this.#connection, options))
  }

  status(): Promise<DatabaseStatus> {
    return this.#connection.core.status()
  }

  lockScope(): LockScope {
    const { core, locks } = this.#connection
    return new TableLockScope(locks, core.time)
  }

  async close(): Promise<void> {
    if (!this.#ownsCore) return
    this.#connection.locks.close()
    await this.#connection.core.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function unfitAnswer(request: string, answer: string): QuorateError {
  return new QuorateError('internal', `a read of ${request} was answered by ${answer}`)
}
