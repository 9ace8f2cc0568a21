import { DEFAULT_SCOPE } from '../../encoding/index.ts'
import { formatToken, type RequestOptions } from '../consistency.ts'
import type {
  CommitEvents,
  EventPage,
  EventQuery,
  EventReader,
  EventSelection,
  EventsOptions,
  EventSummary,
  ReadEventsOptions,
  SummaryOptions,
} from '../database-events.ts'
import { QuorateError } from '../errors.ts'
import { requireName } from '../names.ts'
import type { EventCondition, EventData, ReadRequest } from '../reads.ts'
import { invalid, requireSeq } from './arguments.ts'
import type { ReadSource } from './read-source.ts'

const PAGE_EVENTS = 256
const PAGE_EVENTS_MAX = 0xffffffff
const SUMMARY_TOPICS = 100
const SUMMARY_TOPICS_MAX = 1_000

type Read = Pick<ReadSource, 'read'>
type Place = Pick<Extract<ReadRequest, { type: 'events' }>, 'project' | 'scope' | 'topic'>

/** The events of the scopes of a project out of any source; of all projects without one. */
export class EventQueries implements EventQuery {
  readonly #source: Read
  readonly #place: Place

  constructor(source: Read, place: Place) {
    this.#source = source
    this.#place = place
    for (const [what, name] of Object.entries(place)) if (name !== undefined) requireName(what, name)
  }

  async read(options: ReadEventsOptions = {}): Promise<EventPage> {
    const { after = 0, limit = PAGE_EVENTS, reverse = false, ...rest } = options
    const { key, fromSeq, toSeq, fromMicros, toMicros, where, ...requestOptions } = rest
    requireSeq('after', after)
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > PAGE_EVENTS_MAX) {
      throw invalid(`limit is a whole number from 1, not ${String(limit)}`)
    }
    const { result, seq, historyId } = await this.#source.read(
      {
        type: 'events',
        ...this.#place,
        ...selectionOf({
          ...(key !== undefined && { key }),
          ...(fromSeq !== undefined && { fromSeq }),
          ...(toSeq !== undefined && { toSeq }),
          ...(fromMicros !== undefined && { fromMicros }),
          ...(toMicros !== undefined && { toMicros }),
          ...(where !== undefined && { where }),
        }),
        afterSeq: after,
        limit,
        ...(reverse && { reverse }),
      },
      requestOptions,
    )
    if (result.type !== 'events') throw unfit('events', result.type)
    const { events, nextSeq, removedThroughSeq } = result
    const next = nextSeq === 0 ? undefined : nextSeq
    return { events, more: nextSeq > 0, next, seq, token: formatToken(historyId, seq), removedThroughSeq }
  }

  async latest(count: number, options: RequestOptions & EventSelection = {}): Promise<readonly EventData[]> {
    if (!Number.isSafeInteger(count) || count < 1) throw invalid(`count is a whole number from 1, not ${String(count)}`)
    const found: EventData[] = []
    let after: number | undefined
    do {
      const limit = Math.min(count - found.length, PAGE_EVENTS_MAX)
      const page = await this.read({ ...options, limit, reverse: true, ...(after !== undefined && { after }) })
      found.push(...page.events)
      after = page.next
    } while (after !== undefined && found.length < count)
    return found.slice(0, count)
  }
}

/** The events of a scope out of any source. */
export class EventReads extends EventQueries implements EventReader {
  readonly #source: Read
  readonly project: string
  readonly scope: string
  readonly topic: string | undefined

  constructor(source: Read, project: string, { scope = DEFAULT_SCOPE, topic }: EventsOptions = {}) {
    super(source, { project, scope, ...(topic !== undefined && { topic }) })
    this.#source = source
    this.project = project
    this.scope = scope
    this.topic = topic
  }

  async summary(options: SummaryOptions = {}): Promise<EventSummary> {
    const { afterTopic, topics = SUMMARY_TOPICS, ...requestOptions } = options
    if (afterTopic !== undefined) requireName('topic', afterTopic)
    if (!Number.isSafeInteger(topics) || topics < 0 || topics > SUMMARY_TOPICS_MAX) {
      throw invalid(`topics is a whole number from 0 to ${SUMMARY_TOPICS_MAX}, not ${String(topics)}`)
    }
    const { project, scope, topic } = this
    const { result, seq, historyId } = await this.#source.read(
      {
        type: 'eventSummary',
        project,
        scope,
        ...(topic !== undefined && { topic }),
        ...(afterTopic !== undefined && { afterTopic }),
        topics,
      },
      requestOptions,
    )
    if (result.type !== 'eventSummary') throw unfit('a summary of events', result.type)
    return { ...result.summary, seq, token: formatToken(historyId, seq) }
  }
}

/** What a commit has emitted, into whatever scope. */
export async function readCommitEvents(source: Read, seq: number, options: RequestOptions = {}): Promise<CommitEvents> {
  if (requireSeq('seq', seq) === 0) throw invalid('no commit has seq 0')
  const page = await new EventQueries(source, {}).read({ ...options, fromSeq: seq, toSeq: seq, limit: 1 })
  if (seq > page.seq) {
    throw new QuorateError('seq_unavailable', `seq ${seq} is not in the state that was read, of seq ${page.seq}`)
  }
  return { events: page.events, mayBeRemoved: page.removedThroughSeq >= seq }
}

function selectionOf({ where, ...selection }: EventSelection): Partial<Extract<ReadRequest, { type: 'events' }>> {
  const { key, ...numbers } = selection
  if (key !== undefined && typeof key !== 'string') throw invalid('the key of an event is a text')
  for (const [what, number] of Object.entries(numbers)) requireSeq(what, number)
  return { ...selection, ...(where !== undefined && { where: conditionsOf(where) }) }
}

function conditionsOf(where: NonNullable<EventSelection['where']>): EventCondition[] {
  return Object.entries(where).map(([pointer, equals]) => {
    const isPlain = equals === null || ['string', 'boolean'].includes(typeof equals) || Number.isFinite(equals)
    if (!isPlain) throw invalid(`${pointer} of a payload is compared with a text, a number, true, false or null`)
    return { pointer, equals }
  })
}

function unfit(request: string, answer: string): QuorateError {
  return new QuorateError('internal', `a read of ${request} was answered by ${answer}`)
}
