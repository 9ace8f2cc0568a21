import { bytesToHex, encodeEnvelope, sha256, utf8Bytes } from '../../encoding/index.ts'
import type { Assertion, Mutation, TableMutation, TransactionEnvelope } from '../../encoding/index.ts'
import type { RequestOptions } from '../consistency.ts'
import type { Table } from '../database-table-writes.ts'
import type { Database } from '../database.ts'
import { QuorateError } from '../errors.ts'
import { invalid, requireIdempotencyKey, requireTtl } from '../facade/arguments.ts'
import { add, and, or, targetOf, type TableDefinition } from '../tables/index.ts'
import { isMutant, ownClockOffMicros } from './mutants.ts'
import { requireNamespace, type LayerNamespace } from './namespace.ts'
import { queueDdl, queueTable, type TaskRow, type TaskShape, type TaskState } from './queue-table.ts'

/** A task that a worker has: the token proves it. */
export interface ClaimedTask<P> {
  readonly id: number
  readonly payload: P
  readonly progress: unknown
  /** From 1. */
  readonly attempt: number
  readonly isLastAttempt: boolean
  /** Rises with every claim of the task. */
  readonly fencingToken: number
  /** Leader time in us until which nobody else gets it. */
  readonly leaseUntilMicros: number
  readonly backoffMs: number
}

/** A task as it stands. */
export interface Task<P> {
  id: number
  state: TaskState
  priority: number
  payload: P
  progress: unknown
  attempts: number
  attemptsMax: number
  owner: string | null
  error: string | null
  dueAtMicros: number
}

/** `idempotencyKey`: the same task under the same key is enqueued once, and every call gets its id. */
export interface EnqueueOptions extends RequestOptions {
  /** Higher ones are served first; default 0. */
  priority?: number
  /** Not before this much leader time has passed. */
  delayMs?: number
  /** Then the task is dead; default 5. */
  attemptsMax?: number
  /** Wait after the first failure, doubled with each further one; default 1,000. */
  backoffBaseMs?: number
  /** Default 60,000. */
  backoffMaxMs?: number
  /** While a task of this key is in the queue, no other of it comes in. */
  key?: string
  /** Applied together with it. */
  mutations?: readonly Mutation[]
}

/** What a claim gives is another task each time: there is no first answer to give again. */
export interface ClaimTasksOptions extends Omit<RequestOptions, 'idempotencyKey'> {
  /** Tasks at most; default 1. */
  count?: number
}

export interface CompleteOptions extends RequestOptions {
  /** Applied together with the end of the task. */
  mutations?: readonly Mutation[]
}

/** Ids that a queue takes at once: one small write for so many tasks. */
const IDS_AT_ONCE = 64n
/** Tasks that one commit makes ready, or dead. */
const DUE_AT_ONCE = 256

/**
 * A durable queue: each task is done at least once, and its completion takes effect once, together with what it changes here. Tasks are served by
 * priority, then in the order of their coming. A worker has a task for the time of its lease, by leader time; after that another gets it, and
 * the first one's completion is refused. Open one with `openQueue`.
 */
export class Queue<P = unknown> {
  readonly #database: Database
  readonly #definition: TableDefinition<TaskShape>
  readonly #tasks: Table<TaskShape>
  readonly #clockOffMicros = ownClockOffMicros()
  #nextId = 0n
  #idsThrough = 0n

  constructor(database: Database, definition: TableDefinition<TaskShape>) {
    this.#database = database
    this.#definition = definition
    this.#tasks = database.table(definition)
  }

  /** Id of the task; `isNew` is false if one of the same key is in the queue. */
  async enqueue(payload: P, options: EnqueueOptions = {}): Promise<{ id: number; isNew: boolean }> {
    const { mutations = [], key, signal, timeoutMs, idempotencyKey, delayMs = 0 } = options
    const request = {
      ...(signal !== undefined && { signal }),
      ...(timeoutMs !== undefined && { timeoutMs }),
    }
    const task = this.#newTask(payload, options)
    const insertOf = (row: object): TableMutation => ({
      type: 'insert',
      ...targetOf(this.#definition),
      rows: [{ ...task, ...row }],
    })
    const keys = idempotencyKey === undefined ? undefined : this.#keysFor(idempotencyKey)
    const taken =
      keys === undefined
        ? { id: await this.#takeId(request), isRepeated: false }
        : await this.#takeIdOnce(keys, { mutations: [insertOf({ id: 0, dueAt: delayMs }), ...mutations] }, request)
    const { id } = taken
    const due = delayMs > 0 ? { dueAt: this.#nowMicros() + Math.ceil(delayMs * 1_000) } : {}
    try {
      await this.#database.commit(
        { mutations: [insertOf({ id, ...due }), ...mutations] },
        { ...request, ...(keys !== undefined && { idempotencyKey: keys.task }) },
      )
      return { id, isNew: true }
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error
      // Under this key nothing but this task is enqueued, which differs from what was sent before by its time alone.
      if (taken.isRepeated && error.code === 'idempotency_mismatch') return { id, isNew: true }
      if (key === undefined || error.code !== 'unique_violation') throw error
      const there = await this.#tasks.query(q => q.where(c => c.key.eq(key)).select('id')).first(request)
      if (there === undefined) throw error
      return { id: there.id, isNew: false }
    }
  }

  #newTask(payload: P, options: EnqueueOptions) {
    const { priority = 0, delayMs = 0, attemptsMax = 5, backoffBaseMs = 1_000, backoffMaxMs = 60_000, key } = options
    if (!Number.isSafeInteger(priority)) throw invalid(`priority is a whole number, not ${String(priority)}`)
    if (!(delayMs >= 0)) throw invalid(`delayMs is not negative, not ${String(delayMs)}`)
    if (!Number.isSafeInteger(attemptsMax) || attemptsMax < 1) throw invalid('attemptsMax is a whole number from 1')
    const payloadText = this.#definition.columns['payload']!.codec.encode(payload)
    return {
      payload: payloadText,
      rank: -priority,
      attemptsMax,
      backoffBaseMs: requireTtl(backoffBaseMs),
      backoffMaxMs: requireTtl(backoffMaxMs),
      key: key ?? null,
      ...(delayMs > 0 && { state: 'scheduled' }),
    }
  }

  /** Up to `count` tasks for `leaseMs` of leader time each; none if none is due. */
  async claim(
    owner: string,
    leaseMs: number,
    { count = 1, ...options }: ClaimTasksOptions = {},
  ): Promise<ClaimedTask<P>[]> {
    requireTtl(leaseMs)
    if (!Number.isSafeInteger(count) || count < 1) throw invalid(`count is a whole number from 1, not ${String(count)}`)
    if ('idempotencyKey' in options)
      throw invalid('a claim cannot be made again under a key: complete the task instead')
    await this.#makeReady(options)
    const claimed: ClaimedTask<P>[] = []
    while (claimed.length < count) {
      const leaseUntil = this.#nowMicros() + leaseMs * 1_000
      const update = { state: 'claimed', owner, leaseUntil, attempts: add(1), token: add(1), error: null } as const
      const orderBy = [{ column: 'rank' }, { column: 'enqueuedAt' }, { column: 'id' }] as const
      const result = await this.#tasks.claimOne(c => c.state.eq('ready'), update, { ...options, orderBy })
      if (result === undefined) break
      claimed.push(claimedTask(result.after))
    }
    return claimed
  }

  /** Tasks whose time has come become ready, and those of workers that are late too, or dead when they have no attempt left. */
  async #makeReady(options: RequestOptions): Promise<void> {
    const nowMicros = this.#nowMicros()
    const due = await this.#tasks
      .query(q =>
        q
          .where(c =>
            or(
              and(c.state.eq('scheduled'), c.dueAt.lte(nowMicros)),
              and(c.state.eq('claimed'), c.leaseUntil.lte(nowMicros)),
            ),
          )
          .select('id'),
      )
      .first(options)
    if (due === undefined) return
    const target = targetOf(this.#definition)
    const late = { op: 'lte', column: 'leaseUntil', value: nowMicros } as const
    const isClaimed = { op: 'eq', column: 'state', value: 'claimed' } as const
    const isOver = { op: 'gte', column: 'attempts', value: { column: 'attemptsMax' } } as const
    const free = { owner: { set: null }, leaseUntil: { set: null } } as const
    const limit = DUE_AT_ONCE
    await this.#database.commit(
      {
        mutations: [
          {
            type: 'updateWhere',
            ...target,
            where: and(
              { op: 'eq', column: 'state', value: 'scheduled' },
              { op: 'lte', column: 'dueAt', value: nowMicros },
            ),
            set: { state: { set: 'ready' } },
            limit,
          },
          {
            type: 'updateWhere',
            ...target,
            where: and(isClaimed, late, isOver),
            set: { ...free, state: { set: 'dead' }, error: { set: 'the last worker did not come back' } },
            limit,
          },
          {
            type: 'updateWhere',
            ...target,
            where: and(isClaimed, late),
            set: { ...free, state: { set: 'ready' } },
            limit,
          },
        ],
      },
      options,
    )
  }

  /** Ends the task and applies the mutations, together; false if the task is no longer this worker's, and then nothing has changed. */
  async complete(task: ClaimedTask<P>, { mutations = [], ...options }: CompleteOptions = {}): Promise<boolean> {
    const end: TableMutation = { type: 'delete', ...targetOf(this.#definition), key: { id: task.id } }
    return this.#ifClaimed(task, [end, ...mutations], options)
  }

  /** Puts the task back, for a time that doubles with each attempt, or among the dead after its last one. False if it was lost. */
  async fail(task: ClaimedTask<P>, error: string, options?: RequestOptions): Promise<boolean> {
    const next = task.isLastAttempt
      ? { state: { set: 'dead' } }
      : { state: { set: 'scheduled' }, dueAt: { set: this.#nowMicros() + task.backoffMs * 1_000 } }
    const set = { ...next, owner: { set: null }, leaseUntil: { set: null }, error: { set: error } }
    return this.#ifClaimed(task, [this.#update(task, set)], options)
  }

  /** The same task for `leaseMs` from now, with what is done so far; undefined if it was lost. */
  async heartbeat(
    task: ClaimedTask<P>,
    leaseMs: number,
    { progress, ...options }: RequestOptions & { progress?: unknown } = {},
  ): Promise<ClaimedTask<P> | undefined> {
    requireTtl(leaseMs)
    const leaseUntilMicros = this.#nowMicros() + leaseMs * 1_000
    const text = progress === undefined ? undefined : this.#definition.columns['progress']!.codec.encode(progress)
    const set = { leaseUntil: { set: leaseUntilMicros }, ...(text !== undefined && { progress: { set: text } }) }
    const isHeld = await this.#ifClaimed(task, [this.#update(task, set)], options)
    return isHeld ? { ...task, leaseUntilMicros, ...(progress !== undefined && { progress }) } : undefined
  }

  #update(task: ClaimedTask<P>, set: Extract<TableMutation, { type: 'update' }>['set']): TableMutation {
    return { type: 'update', ...targetOf(this.#definition), key: { id: task.id }, set }
  }

  async #ifClaimed(
    { id, fencingToken }: ClaimedTask<P>,
    mutations: readonly Mutation[],
    options: RequestOptions | undefined,
  ): Promise<boolean> {
    const held = { type: 'rowCompare', ...targetOf(this.#definition), key: { id }, op: 'eq' } as const
    const assertions: Assertion[] = [
      ...(isMutant('queue_ends_unfenced') ? [] : [{ ...held, column: 'token', value: fencingToken }]),
      { ...held, column: 'state', value: 'claimed' },
    ]
    try {
      await this.#database.commit({ assertions, mutations }, options)
      return true
    } catch (error) {
      if (error instanceof QuorateError && error.code === 'assertion_failed') return false
      throw error
    }
  }

  /** Takes a task that no worker has out of the queue; false if there is none of this id. */
  async cancel(id: number, options?: RequestOptions): Promise<boolean> {
    return (await this.#tasks.deleteWhere(c => and(c.id.eq(id), c.state.ne('claimed')), options)) === 1
  }

  /** Makes a dead task ready, with all its attempts; false if there is none of this id. */
  async revive(id: number, options?: RequestOptions): Promise<boolean> {
    const set = { state: 'ready', attempts: 0, error: null } as const
    return (await this.#tasks.updateWhere(c => and(c.id.eq(id), c.state.eq('dead')), set, options)) === 1
  }

  async get(id: number, options?: RequestOptions): Promise<Task<P> | undefined> {
    const row = await this.#tasks.get(id, options)
    return row === undefined ? undefined : taskOf(row)
  }

  /** The tasks of a state; ready ones in the order in which they will be served. */
  async *list(state: TaskState, options?: RequestOptions): AsyncGenerator<Task<P>, void, undefined> {
    const query = this.#tasks.query(q =>
      q
        .where(c => c.state.eq(state))
        .orderBy('rank')
        .orderBy('enqueuedAt')
        .orderBy('id'),
    )
    for await (const row of query.rows(options)) yield taskOf(row)
  }

  /** How many tasks there are in each state. */
  async counts(options?: RequestOptions): Promise<Readonly<Record<TaskState, number>>> {
    const groups = await this.#tasks
      .query(q => q.groupBy(['state'], of => ({ tasks: of.count() })).allowFullScan())
      .all(options)
    const counts = { scheduled: 0, ready: 0, claimed: 0, dead: 0 }
    for (const { state, tasks } of groups) counts[state] = tasks
    return counts
  }

  #nowMicros(): number {
    return this.#database.leaderTimeMicros() + this.#clockOffMicros
  }

  /** An idempotency key for the id and one for the task: of this queue, whatever else the program uses the given one for. */
  #keysFor(idempotencyKey: string): { id: string; task: string } {
    const { project, scope, name } = this.#definition
    const hash = bytesToHex(sha256(utf8Bytes(`${project}/${scope}/${name}/${requireIdempotencyKey(idempotencyKey)}`)))
    return { id: `queue-id:${hash}`, task: `queue-task:${hash}` }
  }

  /**
   * An id that every sending of the same content gets. The content is told by a condition that always holds: the counter is no hash.
   * @throws QuorateError `idempotency_mismatch` for other content under the same key
   */
  async #takeIdOnce(
    keys: { id: string },
    content: TransactionEnvelope,
    request: RequestOptions,
  ): Promise<{ id: number; isRepeated: boolean }> {
    const counter = this.#counter
    const isOther: Assertion = { type: 'keyEquals', ...counter, value: sha256(encodeEnvelope(content)) }
    const { results, isDuplicate } = await this.#database.commit(
      {
        assertions: [{ type: 'not', assertion: isOther }],
        mutations: [{ type: 'kvIncrement', ...counter, by: 1n, width: 64 }],
      },
      { ...request, idempotencyKey: keys.id },
    )
    return { id: Number(results[0]), isRepeated: isDuplicate }
  }

  get #counter(): { project: string; scope: string; key: Uint8Array } {
    const { project, scope, name } = this.#definition
    return { project, scope, key: utf8Bytes(`__queues/${name}`) }
  }

  /** Unique in the queue for ever. */
  async #takeId(options: RequestOptions): Promise<number> {
    if (this.#nextId >= this.#idsThrough) {
      const { project, scope, name } = this.#definition
      const through = await this.#database.kv(project, { scope }).increment(`__queues/${name}`, IDS_AT_ONCE, options)
      // Whoever waited here at the same time has taken a block too: the last one counts, and none is used twice.
      this.#idsThrough = through
      this.#nextId = through - IDS_AT_ONCE
    }
    this.#nextId += 1n
    return Number(this.#nextId)
  }
}

/** Opens the queue of that name, creating it where there is none. @throws QuorateError `invalid_name`, `project_not_found`, `scope_not_found` */
export async function openQueue<P = unknown>(
  database: Database,
  { name, ...namespace }: LayerNamespace & { name: string },
  options?: RequestOptions,
): Promise<Queue<P>> {
  const { project, scope } = requireNamespace(namespace)
  const definition = queueTable(project, scope, name)
  await database.ddl(queueDdl(definition), options)
  return new Queue(database, definition)
}

function claimedTask<P>(row: TaskRow): ClaimedTask<P> {
  const { id, payload, progress, attempts, attemptsMax, token, leaseUntil, backoffBaseMs, backoffMaxMs } = row
  return {
    id,
    payload: payload as P,
    progress,
    attempt: attempts,
    isLastAttempt: attempts >= attemptsMax,
    fencingToken: token,
    leaseUntilMicros: leaseUntil ?? 0,
    backoffMs: Math.min(backoffMaxMs, backoffBaseMs * 2 ** Math.min(attempts - 1, 40)),
  }
}

function taskOf<P>(row: TaskRow): Task<P> {
  const { id, state, rank, payload, progress, attempts, attemptsMax, owner, error, dueAt } = row
  return {
    id,
    state,
    progress,
    attempts,
    attemptsMax,
    owner,
    error,
    priority: rank === 0 ? 0 : -rank,
    payload: payload as P,
    dueAtMicros: dueAt,
  }
}
