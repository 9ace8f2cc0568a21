import { checkedTransaction, utf8Bytes } from '../../encoding/index.ts'
import { formatToken, type RequestOptions, type Token } from '../consistency.ts'
import type { CommitResult, CoreWatchEvent } from '../database.ts'
import type {
  CompactionReport,
  CompactOptions,
  EventsOptions,
  EventStream,
  FollowEventsOptions,
  NewEvent,
} from '../database-events.ts'
import { QuorateError } from '../errors.ts'
import type { EventData } from '../reads.ts'
import { invalid, requireSeq } from './arguments.ts'
import { Budget, checked, submit, type Connection } from './connection.ts'
import { submitDdl } from './ddl-batch.ts'
import { EventReads } from './event-reads.ts'
import { withSignal } from './shared-signal.ts'
import { newestState, releaseView } from './sources.ts'

const NOTHING_REMOVED = { events: 0, fromSeq: 0, throughSeq: 0, left: 0, isDone: true } as const

/** The events of a scope through any core. */
export class CoreEventStream extends EventReads implements EventStream {
  readonly #connection: Connection

  constructor(connection: Connection, project: string, options?: EventsOptions) {
    super(newestState(connection), project, options)
    this.#connection = connection
  }

  async *follow(options: FollowEventsOptions = {}): AsyncGenerator<EventData, void, undefined> {
    const { after = 0, signal, ...selection } = options
    requireSeq('after', after)
    const until = signal === undefined ? {} : { signal }
    let position = after
    let reached: Token | undefined
    let changes: AsyncIterator<CoreWatchEvent> | undefined
    try {
      while (!isAborted(signal)) {
        const consistency = reached === undefined ? {} : { consistency: { minSeq: reached } }
        const page = await this.read({ ...selection, after: position, ...until, ...consistency })
        if (position > 0 && page.removedThroughSeq > position) throw removed(position, page.removedThroughSeq)
        yield* page.events
        position = page.next ?? Math.max(position, page.seq)
        if (page.more) continue
        changes ??= this.#changesAfter(page.token, signal)
        reached = await nextAfter(changes, page.seq)
        if (reached === undefined) return
      }
    } catch (error) {
      if (!isAborted(signal)) throw error
    } finally {
      await changes?.return?.()
    }
  }

  async emit(events: NewEvent | readonly NewEvent[], options?: RequestOptions): Promise<CommitResult> {
    const list: readonly NewEvent[] = Array.isArray(events) ? events : [events as NewEvent]
    if (list.length === 0) throw invalid('no event')
    const place = { project: this.project, scope: this.scope }
    const mutations = list.map(({ topic, key, payload }) => ({ type: 'emitEvent', ...place, topic, key, payload }))
    return submit(this.#connection, checked(checkedTransaction, { mutations }), options)
  }

  async compact({ maxAgeMs, keepLast, maxEvents, ...options }: CompactOptions = {}): Promise<CompactionReport> {
    const place = { project: this.project, scope: this.scope }
    const budget = new Budget(this.#connection, options)
    const { seq, token, changed } = await submitDdl(
      this.#connection,
      {
        type: 'compactEvents',
        ...place,
        ...(maxAgeMs !== undefined && { maxAgeMs }),
        ...(keepLast !== undefined && { keepLast }),
        ...(maxEvents !== undefined && { maxEvents }),
      },
      options,
    )
    const { signal, timeoutMs } = budget.rest()
    const within = { ...(signal !== undefined && { signal }), ...(timeoutMs !== undefined && { timeoutMs }) }
    const newest = await this.summary({ ...within, topics: 0, consistency: { minSeq: token } })
    const { removedThroughSeq } = newest
    if (changed[0] !== true) return { ...NOTHING_REMOVED, seq, token, removedThroughSeq }
    if (newest.compaction?.seq === seq) return { ...newest.compaction, token, removedThroughSeq }
    // Another one has come since.
    const { compaction } = await this.summary({ ...within, topics: 0, consistency: { atSeq: token } })
    if (compaction?.seq !== seq) throw new QuorateError('internal', 'a compaction that left no report')
    return { ...compaction, isDone: removedThroughSeq >= compaction.throughSeq, token, removedThroughSeq }
  }

  /** Tells that there are events, which are then read. */
  #changesAfter(from: Token, signal: AbortSignal | undefined): AsyncIterator<CoreWatchEvent> {
    const { core, plainOptions } = this.#connection
    const prefix = utf8Bytes(this.topic ?? '')
    const selector = { project: this.project, scope: this.scope, prefix, events: true } as const
    const events = core.watch(selector, { ...plainOptions, from, ...withSignal(signal) })
    return events[Symbol.asyncIterator]()
  }
}

/** The point of the first news after `seq`; undefined where the watch has ended. */
async function nextAfter(changes: AsyncIterator<CoreWatchEvent>, seq: number): Promise<Token | undefined> {
  for (;;) {
    const step = await changes.next()
    if (step.done === true) return undefined
    const event = step.value
    if (event.type === 'reset') releaseView(event.view)
    if (event.type !== 'progress' && event.seq > seq) return formatToken(event.historyId, event.seq)
  }
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true
}

function removed(after: number, throughSeq: number): QuorateError {
  const text = `events after seq ${after} are removed, up to seq ${throughSeq}`
  return new QuorateError('seq_unavailable', text, { detail: { oldestSeq: throughSeq } })
}
