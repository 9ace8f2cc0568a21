import { utf8Bytes, type Ddl, type Mutation } from '../../src/encoding/index.ts'
import {
  isName,
  type ClusterSettings,
  type EventCompaction,
  type EventData,
  type EventPoint,
  type EventsSummary,
  type ReadRequest,
  type ReadResult,
} from '../../src/model/index.ts'
import { Refusal } from './reference-refusal.ts'

type EventsRequest = Omit<Extract<ReadRequest, { type: 'events' }>, 'type'>

/** A scope's events as a list: the oracle of emission, pages and compaction. */
export class ReferenceEvents {
  #events: readonly EventData[] = []
  #removedThroughSeq = 0
  #removed = 0
  #compaction: EventCompaction | undefined

  copy(): ReferenceEvents {
    const copy = new ReferenceEvents()
    copy.#events = this.#events
    copy.#removedThroughSeq = this.#removedThroughSeq
    copy.#removed = this.#removed
    copy.#compaction = this.#compaction
    return copy
  }

  emit(
    event: Pick<Extract<Mutation, { type: 'emitEvent' }>, 'topic' | 'key' | 'payload'>,
    seq: number,
    timeMicros: number,
    settings: ClusterSettings,
  ): void {
    const { topic, key, payload } = event
    if (!isName(topic)) throw new Refusal('invalid_name', topic)
    if (/^[ \t\r\n]*$/.test(key)) throw new Refusal('invalid_argument', 'blank')
    if (utf8Bytes(key).length > settings.keyBytesMax) throw new Refusal('key_too_large')
    if (utf8Bytes(payload).length > settings.eventPayloadBytesMax) throw new Refusal('value_too_large')
    try {
      JSON.parse(payload)
    } catch {
      throw new Refusal('invalid_argument', 'no JSON')
    }
    this.#events = [...this.#events, { seq, timeMicros, topic, key, payload }]
  }

  /** At once, where the real one takes its time. */
  compact(
    { maxAgeMs, keepLast, maxEvents = Infinity }: Extract<Ddl, { type: 'compactEvents' }>,
    seq: number,
    timeMicros: number,
  ): boolean {
    if (maxAgeMs === undefined && keepLast === undefined) return false
    const bound = this.#events.length - (keepLast ?? 0)
    const isBeyond = ({ timeMicros: at }: EventData, i: number): boolean =>
      i < bound && (maxAgeMs === undefined || at < timeMicros - maxAgeMs * 1000)
    const stays = new Set(this.#events.filter((event, i) => !isBeyond(event, i)).map(event => event.seq))
    const allowed = this.#events.filter(event => !stays.has(event.seq))
    const gone = new Set<number>()
    let events = 0
    for (const own of new Set(allowed.map(event => event.seq))) {
      const more = allowed.filter(event => event.seq === own).length
      if (maxEvents === 0 || (events > 0 && events + more > maxEvents)) break
      gone.add(own)
      events += more
    }
    if (events === 0) return false
    const throughSeq = [...gone].at(-1)!
    const left = allowed.length - events
    this.#compaction = { seq, events, fromSeq: this.#events[0]!.seq, throughSeq, left, isDone: true }
    this.#removed += events
    this.#removedThroughSeq = throughSeq
    this.#events = this.#events.filter(event => !gone.has(event.seq))
    return true
  }

  read(request: EventsRequest): ReadResult {
    return readEvents([{ events: this }], request)
  }

  get all(): readonly EventData[] {
    return this.#events
  }

  get removedThroughSeq(): number {
    return this.#removedThroughSeq
  }

  summary(topic?: string, afterTopic = '', topicsMax = 100): EventsSummary {
    const topics = [...new Set(this.#events.map(event => event.topic))].sort()
    const wanted = topics.filter(name => (topic === undefined ? name > afterTopic : name === topic))
    const [first, last] = [this.#events[0], this.#events.at(-1)]
    return {
      events: this.#events.length,
      bytes: bytesOf(this.#events),
      removed: this.#removed,
      removedThroughSeq: this.#removedThroughSeq,
      ...(first !== undefined && { first: pointOf(first) }),
      ...(last !== undefined && { last: pointOf(last) }),
      ...(this.#compaction !== undefined && { compaction: this.#compaction }),
      topics: wanted.slice(0, topicsMax).map(name => {
        const own = this.#events.filter(event => event.topic === name)
        const counts = { events: own.length, bytes: bytesOf(own) }
        return { topic: name, ...counts, firstSeq: own[0]!.seq, last: pointOf(own.at(-1)!) }
      }),
      moreTopics: wanted.length > topicsMax,
    }
  }
}

function bytesOf(events: readonly EventData[]): number {
  return events.reduce((bytes, { topic, key, payload }) => bytes + utf8Bytes(topic + key + payload).length, 0)
}

function pointOf({ seq, timeMicros }: EventData): EventPoint {
  return { seq, timeMicros }
}

/** The events of one scope, or of several, which then have their places. */
export function readEvents(
  lists: readonly { names?: { project: string; scope: string }; events: ReferenceEvents }[],
  { limit, afterSeq, reverse = false, ...selection }: EventsRequest,
): ReadResult {
  const all = lists.flatMap(({ names, events }) => events.all.map(event => ({ ...names, ...event })))
  if ((selection.where ?? []).length > 16) throw new Refusal('invalid_argument', 'conditions')
  // Stable: those of one commit stay in the order of the lists.
  const found = all.sort((a, b) => a.seq - b.seq).filter(event => isSelected(event, selection))
  const after = found.filter(({ seq }) => (reverse ? afterSeq === 0 || seq < afterSeq : seq > afterSeq))
  const commits = [...new Set(after.map(({ seq }) => seq))].map(seq => after.filter(event => event.seq === seq))
  if (reverse) commits.reverse()
  const events: EventData[] = []
  for (const commit of commits) {
    if (events.length > 0 && events.length + commit.length > limit) break
    events.push(...(reverse ? reversed(commit, lists.length > 1) : commit))
  }
  const nextSeq = events.length < after.length ? events.at(-1)!.seq : 0
  return {
    type: 'events',
    events,
    nextSeq,
    removedThroughSeq: Math.max(0, ...lists.map(list => list.events.removedThroughSeq)),
  }
}

/** Scopes of one commit stay in their order, each with its last event first. */
function reversed(commit: readonly EventData[], areMany: boolean): EventData[] {
  if (!areMany) return commit.toReversed()
  const places = [...new Set(commit.map(placeOf))]
  return places.flatMap(place => commit.filter(event => placeOf(event) === place).toReversed())
}

const placeOf = ({ project = '', scope = '' }: EventData): string => `${project}/${scope}`

function isSelected(event: EventData, selection: Omit<EventsRequest, 'limit' | 'afterSeq'>): boolean {
  const { topic, key, fromSeq = 0, toSeq = Infinity, fromMicros = 0, toMicros = Infinity, where = [] } = selection
  return (
    (topic === undefined || event.topic === topic) &&
    (key === undefined || event.key === key) &&
    event.seq >= fromSeq &&
    event.seq <= toSeq &&
    event.timeMicros >= fromMicros &&
    event.timeMicros < toMicros &&
    where.every(({ pointer, equals }) => valueAt(event.payload, pointer) === equals)
  )
}

function valueAt(payload: string, pointer: string): unknown {
  if (!/^(\/([^~/]|~[01])*)*$/.test(pointer)) throw new Refusal('invalid_argument', pointer)
  const names = pointer.split('/').slice(1)
  let value: unknown = JSON.parse(payload)
  for (const name of names.map(text => text.replaceAll('~1', '/').replaceAll('~0', '~'))) {
    const isThere = typeof value === 'object' && value !== null && Object.keys(value).includes(name)
    value = isThere ? (value as Record<string, unknown>)[name] : undefined
  }
  return value
}
