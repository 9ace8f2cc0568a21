import { checkedTransaction, DEFAULT_SCOPE, utf8Bytes } from '../../encoding/index.ts'
import { formatToken, type RequestOptions, type Token } from '../consistency.ts'
import type { CommitResult, CoreWatchEvent } from '../database.ts'
import type {
  EventPage,
  EventReader,
  EventsOptions,
  EventStream,
  FollowEventsOptions,
  NewEvent,
  ReadEventsOptions,
} from '../database-events.ts'
import { QuorateError } from '../errors.ts'
import { requireName } from '../names.ts'
import type { EventData } from '../reads.ts'
import { invalid, requireSeq } from './arguments.ts'
import { checked, submit, type Connection } from './connection.ts'
import type { ReadSource } from './read-source.ts'
import { newestState, releaseView } from './sources.ts'

const PAGE_EVENTS = 256
const PAGE_EVENTS_MAX = 0xffffffff

type Read = Pick<ReadSource, 'read'>

/** The events of a scope out of any source. */
export class EventReads implements EventReader {
  readonly #source: Read
  readonly project: string
  readonly scope: string
  readonly topic: string | undefined

  constructor(source: Read, project: string, { scope = DEFAULT_SCOPE, topic }: EventsOptions = {}) {
    this.#source = source
    requireName('project', project)
    requireName('scope', scope)
    if (topic !== undefined) requireName('topic', topic)
    this.project = project
    this.scope = scope
    this.topic = topic
  }

  async read(options: ReadEventsOptions = {}): Promise<EventPage> {
    const { after = 0, limit = PAGE_EVENTS, reverse = false, ...requestOptions } = options
    requireSeq('after', after)
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > PAGE_EVENTS_MAX) {
      throw invalid(`limit is a whole number from 1, not ${String(limit)}`)
    }
    const { result, seq, historyId } = await this.#source.read(
      {
        type: 'events',
        project: this.project,
        scope: this.scope,
        ...(this.topic !== undefined && { topic: this.topic }),
        afterSeq: after,
        limit,
        ...(reverse && { reverse }),
      },
      requestOptions,
    )
    if (result.type !== 'events') {
      throw new QuorateError('internal', `a read of events was answered by ${result.type}`)
    }
    const { events, more, removedThroughSeq } = result
    return { events, more, seq, token: formatToken(historyId, seq), removedThroughSeq }
  }
}

/** The events of a scope through any core. */
export class CoreEventStream extends EventReads implements EventStream {
  readonly #connection: Connection

  constructor(connection: Connection, project: string, options?: EventsOptions) {
    super(newestState(connection), project, options)
    this.#connection = connection
  }

  async *follow({ after = 0, signal }: FollowEventsOptions = {}): AsyncGenerator<EventData, void, undefined> {
    requireSeq('after', after)
    const until = signal === undefined ? {} : { signal }
    let position = after
    let reached: Token | undefined
    let changes: AsyncIterator<CoreWatchEvent> | undefined
    try {
      while (!isAborted(signal)) {
        const consistency = reached === undefined ? {} : { consistency: { minSeq: reached } }
        const page = await this.read({ after: position, ...until, ...consistency })
        if (position > 0 && page.removedThroughSeq > position) throw removed(position, page.removedThroughSeq)
        yield* page.events
        position = page.more ? page.events.at(-1)!.seq : Math.max(position, page.seq)
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

  /** Tells that there are events, which are then read. */
  #changesAfter(from: Token, signal: AbortSignal | undefined): AsyncIterator<CoreWatchEvent> {
    const { core, plainOptions } = this.#connection
    const prefix = utf8Bytes(this.topic ?? '')
    const selector = { project: this.project, scope: this.scope, prefix, events: true } as const
    const events = core.watch(selector, { ...plainOptions, from, ...(signal !== undefined && { signal }) })
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
