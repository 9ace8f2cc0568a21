import { utf8Bytes } from '../../encoding/index.ts'
import { isName, QuorateError } from '../../model/index.ts'
import type { EventsSummary, ReadRequest, ReadResult, TopicSummary } from '../../model/index.ts'
import type { ReadContext } from '../kv/index.ts'
import { KV_PREFIX_BYTES, topicCountKey, topicCountsPrefix, topicPrefix } from '../layers.ts'
import { prefixEnd } from '../record-store.ts'
import type { RecordReader } from '../record-store.ts'
import { decodeTopicCount, placeOf, readCompaction, readEventState, readTopicCount } from './event-record.ts'
import { eventAt } from './event-search.ts'
import { countedScope } from './event-sources.ts'

/** Topics of one answer. */
const TOPICS_MAX = 1_000
const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * What there is of the events of a scope, or of a topic: counted, not looked at.
 * @throws QuorateError of `countedScope`; `invalid_argument`, `invalid_name`. Throws `ColdPages`.
 */
export function summarizeEvents(
  { catalog, access, reader }: ReadContext,
  request: Extract<ReadRequest, { type: 'eventSummary' }>,
): ReadResult {
  const { project, scope, topic, afterTopic, topics: limit } = request
  const id = countedScope(catalog, access, project, scope)
  if (!Number.isSafeInteger(limit) || limit < 0) throw new QuorateError('invalid_argument', 'how many topics?')
  for (const name of [topic, afterTopic]) {
    if (name !== undefined && !isName(name)) throw new QuorateError('invalid_name', 'no topic has such a name')
  }
  const { nextNumber, removedThroughSeq, events, bytes } = readEventState(reader, id)
  const compaction = readCompaction(reader, id)
  const first = eventAt(reader, id, 0)
  const last = eventAt(reader, id, Number.MAX_SAFE_INTEGER, true)
  const summary: EventsSummary = {
    events,
    bytes,
    removed: nextNumber - events,
    removedThroughSeq,
    ...(first !== undefined && { first: { seq: first.seq, timeMicros: first.timeMicros } }),
    ...(last !== undefined && { last: { seq: last.seq, timeMicros: last.timeMicros } }),
    ...(compaction !== undefined && {
      compaction: { ...compaction, isDone: removedThroughSeq >= compaction.throughSeq },
    }),
    ...topicsOf(reader, id, topic, afterTopic, Math.min(limit, TOPICS_MAX)),
  }
  return { type: 'eventSummary', summary }
}

function topicsOf(
  reader: RecordReader,
  scopeId: number,
  topic: string | undefined,
  after: string | undefined,
  limit: number,
): Pick<EventsSummary, 'topics' | 'moreTopics'> {
  if (topic !== undefined) {
    const count = readTopicCount(reader, scopeId, utf8Bytes(topic))
    return { topics: count.events === 0 ? [] : [topicSummary(reader, scopeId, topic, count)], moreTopics: false }
  }
  const prefix = topicCountsPrefix(scopeId)
  const from = after === undefined ? prefix : Uint8Array.of(...topicCountKey(scopeId, utf8Bytes(after)), 0)
  const found: [string, ReturnType<typeof decodeTopicCount>][] = []
  let moreTopics = false
  reader.walk(from, prefixEnd(prefix), false, (key, _, value) => {
    moreTopics = found.length === limit
    if (moreTopics) return false
    found.push([utf8.decode(key.subarray(KV_PREFIX_BYTES)), decodeTopicCount(value())])
    return true
  })
  return { topics: found.map(([name, count]) => topicSummary(reader, scopeId, name, count)), moreTopics }
}

function topicSummary(
  reader: RecordReader,
  scopeId: number,
  topic: string,
  { events, bytes, lastSeq, lastMicros }: ReturnType<typeof decodeTopicCount>,
): TopicSummary {
  const prefix = topicPrefix(scopeId, utf8Bytes(topic))
  let firstSeq = lastSeq
  reader.walk(prefix, prefixEnd(prefix), false, key => {
    firstSeq = placeOf(key).seq
    return false
  })
  return { topic, events, bytes, firstSeq, last: { seq: lastSeq, timeMicros: lastMicros } }
}
