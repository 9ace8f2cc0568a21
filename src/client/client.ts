import type { Ddl, TableTarget, TransactionEnvelope, Value } from '../encoding/index.ts'
import { createDatabase, QuorateError } from '../model/index.ts'
import type {
  AuditPage,
  AuditVerification,
  BuiltQuery,
  CommitEvents,
  CommitResult,
  Database,
  DatabaseStatus,
  DdlOptions,
  DdlResult,
  EventsOptions,
  EventQuery,
  EventStream,
  DatabaseHead,
  FinishedJob,
  JobData,
  JobPlace,
  KeyValueOptions,
  KeyValueSpace,
  LifecycleOptions,
  LifecycleStream,
  LockScope,
  NamedPlace,
  PreflightResult,
  ProjectUsage,
  Query,
  QueryData,
  ReadAuditOptions,
  RequestOptions,
  RequestReference,
  ScanScopesOptions,
  ScopedEntry,
  Table,
  TableDefinition,
  TableDescription,
  TableShape,
  Token,
  Topology,
  TableWatchEvent,
  TableWatchSelector,
  Transaction,
  TransactionOptions,
  UntypedShape,
  VerifyAuditOptions,
  View,
  WatchEvent,
  WatchOptions,
  WatchSelector,
} from '../model/index.ts'
import { ClientCore } from './client-core.ts'
import { NodePool } from './node-pool.ts'
import { clientSettings, parseEndpoints } from './options.ts'
import type { ClientPorts, ConnectOptions } from './options.ts'
import { StatusEvents } from './status-events.ts'
import type { StatusEvent } from './status-events.ts'

export interface CloseOptions {
  /** Wait for what is on its way, at most `timeoutMs`; default true. Otherwise it ends with `closed`, applied unknown. */
  drain?: boolean
  /** Default 5,000. */
  timeoutMs?: number
}

/** A database reached over the network: the same interface, and what there is to know of the connections. */
export interface Client extends Database {
  /** Who is who, as far as known here; undefined before the first node has answered. */
  readonly topology: Topology | undefined
  /** What happens to the connections, from now on; ends when the client is closed. */
  statusEvents(): AsyncIterable<StatusEvent>
  close(options?: CloseOptions): Promise<void>
}

const DRAIN_MS = 5_000

/**
 * Connects to the cluster at `endpoints` and resolves when the first node has answered. Exactly-once writes, reads and watches go on
 * over failures of connections and nodes, each until its own time is used up.
 * @throws QuorateError `unavailable` if no node answers in time; what all endpoints refuse with, e.g. `unauthenticated`
 */
export async function connectClient(
  endpoints: string | readonly string[],
  options: ConnectOptions,
  ports: ClientPorts,
): Promise<Client> {
  const settings = clientSettings(options)
  const events = new StatusEvents()
  const pool = new NodePool(parseEndpoints(endpoints), ports, settings, events)
  const core = new ClientCore(ports, settings, pool, events)
  try {
    await firstWelcome(pool, settings.timeoutMs, ports)
  } catch (error) {
    await core.close()
    throw error
  }
  return new RemoteDatabase(core, pool, events)
}

function firstWelcome(pool: NodePool, timeoutMs: number, { timers }: ClientPorts): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (error?: QuorateError): void => {
      stop()
      timer.cancel()
      if (error === undefined) resolve()
      else reject(error)
    }
    const timer = timers.after(timeoutMs, () =>
      end(new QuorateError('unavailable', `no node answered within ${timeoutMs} ms`, { retryable: true })),
    )
    const stop = pool.onChange(() => {
      if (pool.topology !== undefined) end()
      else if (pool.refusal !== undefined) end(pool.refusal)
    })
    pool.start()
  })
}

class RemoteDatabase implements Client {
  readonly #core: ClientCore
  readonly #pool: NodePool
  readonly #events: StatusEvents
  readonly #database: Database
  #closing: Promise<void> | undefined

  constructor(core: ClientCore, pool: NodePool, events: StatusEvents) {
    this.#core = core
    this.#pool = pool
    this.#events = events
    this.#database = createDatabase(core)
  }

  get topology(): Topology | undefined {
    return this.#pool.topology
  }

  statusEvents(): AsyncIterable<StatusEvent> {
    return this.#events.iterate()
  }

  as(caller: string): Database {
    return this.#database.as(caller)
  }

  ddl(operation: Ddl | readonly Ddl[], options?: DdlOptions): Promise<DdlResult> {
    return this.#database.ddl(operation, options)
  }

  commit(envelope: TransactionEnvelope, options?: RequestOptions): Promise<CommitResult> {
    return this.#database.commit(envelope, options)
  }

  kv<K = string, V = Uint8Array>(project: string, options?: KeyValueOptions<K, V>): KeyValueSpace<K, V> {
    return this.#database.kv(project, options)
  }

  scanScopes<K = string, V = Uint8Array>(
    project: string,
    options?: ScanScopesOptions<K, V>,
  ): AsyncIterable<ScopedEntry<K, V>> {
    return this.#database.scanScopes(project, options)
  }

  table<S extends TableShape>(definition: TableDefinition<S>): Table<S>
  table(target: TableTarget): Table<UntypedShape>
  table(source: TableTarget | TableDefinition): Table<UntypedShape> {
    return this.#database.table(source as TableTarget)
  }

  query<R>(query: BuiltQuery<R>): Query<R>
  query(query: QueryData): Query<Record<string, Value>>
  query(query: QueryData | BuiltQuery<unknown>): Query<unknown> {
    return this.#database.query(query as QueryData)
  }

  events(project: string, options?: EventsOptions): EventStream {
    return this.#database.events(project, options)
  }

  projectEvents(project: string, options?: Pick<EventsOptions, 'topic'>): EventQuery {
    return this.#database.projectEvents(project, options)
  }

  commitEvents(seq: number, options?: RequestOptions): Promise<CommitEvents> {
    return this.#database.commitEvents(seq, options)
  }

  lifecycle(options?: LifecycleOptions): LifecycleStream {
    return this.#database.lifecycle(options)
  }

  view(options?: RequestOptions): Promise<View> {
    return this.#database.view(options)
  }

  transaction<T>(body: (tx: Transaction) => Promise<T>, options?: TransactionOptions): Promise<T> {
    return this.#database.transaction(body, options)
  }

  watch(selector: TableWatchSelector, options?: WatchOptions): AsyncIterable<TableWatchEvent<UntypedShape>>
  watch(selector: WatchSelector, options?: WatchOptions): AsyncIterable<WatchEvent>
  watch(
    selector: WatchSelector & TableWatchSelector,
    options?: WatchOptions,
  ): AsyncIterable<WatchEvent | TableWatchEvent<UntypedShape>> {
    return this.#database.watch(selector, options)
  }

  outcome(reference: RequestReference): Promise<CommitResult | undefined> {
    return this.#database.outcome(reference)
  }

  projects(options?: RequestOptions): Promise<readonly NamedPlace[]> {
    return this.#database.projects(options)
  }

  scopes(project: string, options?: RequestOptions): Promise<readonly NamedPlace[]> {
    return this.#database.scopes(project, options)
  }

  usage(project: string, options?: RequestOptions): Promise<ProjectUsage> {
    return this.#database.usage(project, options)
  }

  usages(options?: RequestOptions): Promise<readonly ProjectUsage[]> {
    return this.#database.usages(options)
  }

  tables(project: string, options?: RequestOptions & { scope?: string }): Promise<readonly TableDescription[]> {
    return this.#database.tables(project, options)
  }

  audit(options?: ReadAuditOptions): Promise<AuditPage> {
    return this.#database.audit(options)
  }

  verifyAudit(options?: VerifyAuditOptions): Promise<AuditVerification> {
    return this.#database.verifyAudit(options)
  }

  settings(options?: RequestOptions): Promise<Readonly<Record<string, number>>> {
    return this.#database.settings(options)
  }

  head(options?: RequestOptions): Promise<DatabaseHead> {
    return this.#database.head(options)
  }

  waitForDurable(point: Token | number, options?: RequestOptions): Promise<DatabaseHead> {
    return this.#database.waitForDurable(point, options)
  }

  leaderTimeMicros(): number {
    return this.#database.leaderTimeMicros()
  }

  preflight(envelope: TransactionEnvelope, options?: RequestOptions): Promise<PreflightResult> {
    return this.#database.preflight(envelope, options)
  }

  commitWithPreflight(envelope: TransactionEnvelope, options?: RequestOptions): Promise<CommitResult> {
    return this.#database.commitWithPreflight(envelope, options)
  }

  jobs(place?: JobPlace, options?: RequestOptions): Promise<readonly JobData[]> {
    return this.#database.jobs(place, options)
  }

  waitForJobs(place?: JobPlace, options?: RequestOptions): Promise<readonly FinishedJob[]> {
    return this.#database.waitForJobs(place, options)
  }

  lockScope(): LockScope {
    return this.#database.lockScope()
  }

  status(): Promise<DatabaseStatus> {
    return this.#database.status()
  }

  close(options: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(options)
    return this.#closing
  }

  async #close({ drain = true, timeoutMs = DRAIN_MS }: CloseOptions): Promise<void> {
    if (drain) await this.#core.drain(timeoutMs)
    await this.#core.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
