import { MalformedBytes } from '../../encoding/index.ts'
import type {
  EventCompaction,
  EventCondition,
  EventData,
  EventPoint,
  EventsSummary,
  ReadRequest,
  ReadResult,
  TopicSummary,
} from '../reads.ts'
import {
  asMap,
  booleanField,
  field,
  integerField,
  listField,
  onlyFields,
  optionalField,
  textField,
  type PlainMap,
} from './fields.ts'

/** Requests for events, and their answers, out of parsed JSON. */

const U32_MAX = 0xffffffff
const TEXTS = ['project', 'scope', 'topic', 'key'] as const
const NUMBERS = ['fromSeq', 'toSeq', 'fromMicros', 'toMicros'] as const

export function eventRequestFromPlain(map: PlainMap, type: 'events' | 'eventSummary'): ReadRequest {
  if (type === 'eventSummary') return summaryRequest(map)
  onlyFields(map, 'request', ['type', ...TEXTS, ...NUMBERS, 'where', 'afterSeq', 'limit', 'reverse'])
  const request: Extract<ReadRequest, { type: 'events' }> = {
    type,
    afterSeq: integerField(map, 'afterSeq'),
    limit: integerField(map, 'limit', U32_MAX),
  }
  for (const part of TEXTS) {
    const text = optionalField(map, part, textField)
    if (text !== undefined) request[part] = text
  }
  for (const part of NUMBERS) {
    const number = optionalField(map, part, integerField)
    if (number !== undefined) request[part] = number
  }
  const where = optionalField(map, 'where', listField)
  if (where !== undefined) request.where = where.map(conditionFromPlain)
  if (optionalField(map, 'reverse', booleanField) === true) request.reverse = true
  return request
}

function conditionFromPlain(value: unknown): EventCondition {
  const map = asMap(value, 'where')
  onlyFields(map, 'where', ['pointer', 'equals'])
  const equals = field(map, 'equals')
  if (equals !== null && typeof equals !== 'string' && typeof equals !== 'number' && typeof equals !== 'boolean') {
    throw new MalformedBytes('equals: a text, a number, true, false or null')
  }
  return { pointer: textField(map, 'pointer'), equals }
}

function summaryRequest(map: PlainMap): ReadRequest {
  onlyFields(map, 'request', ['type', 'project', 'scope', 'topic', 'afterTopic', 'topics'])
  const topic = optionalField(map, 'topic', textField)
  const afterTopic = optionalField(map, 'afterTopic', textField)
  return {
    type: 'eventSummary',
    project: textField(map, 'project'),
    scope: textField(map, 'scope'),
    ...(topic !== undefined && { topic }),
    ...(afterTopic !== undefined && { afterTopic }),
    topics: integerField(map, 'topics', U32_MAX),
  }
}

export function eventResultFromPlain(map: PlainMap, type: 'events' | 'eventSummary'): ReadResult {
  if (type === 'eventSummary') return { type, summary: summaryFromPlain(field(map, 'summary')) }
  return {
    type,
    events: listField(map, 'events').map(eventFromPlain),
    nextSeq: integerField(map, 'nextSeq'),
    removedThroughSeq: integerField(map, 'removedThroughSeq'),
  }
}

function eventFromPlain(value: unknown): EventData {
  const map = asMap(value, 'event')
  const project = optionalField(map, 'project', textField)
  const scope = optionalField(map, 'scope', textField)
  return {
    ...(project !== undefined && { project }),
    ...(scope !== undefined && { scope }),
    ...pointOf(map),
    topic: textField(map, 'topic'),
    key: textField(map, 'key'),
    payload: textField(map, 'payload'),
  }
}

function summaryFromPlain(value: unknown): EventsSummary {
  const map = asMap(value, 'summary')
  const [first, last, compaction] = ['first', 'last', 'compaction'].map(name => optionalField(map, name, field))
  return {
    events: integerField(map, 'events'),
    bytes: integerField(map, 'bytes'),
    removed: integerField(map, 'removed'),
    removedThroughSeq: integerField(map, 'removedThroughSeq'),
    ...(first !== undefined && { first: pointOf(asMap(first, 'first')) }),
    ...(last !== undefined && { last: pointOf(asMap(last, 'last')) }),
    ...(compaction !== undefined && { compaction: compactionFromPlain(compaction) }),
    topics: listField(map, 'topics').map(topicFromPlain),
    moreTopics: booleanField(map, 'moreTopics'),
  }
}

function compactionFromPlain(value: unknown): EventCompaction {
  const map = asMap(value, 'compaction')
  return {
    seq: integerField(map, 'seq'),
    events: integerField(map, 'events'),
    fromSeq: integerField(map, 'fromSeq'),
    throughSeq: integerField(map, 'throughSeq'),
    left: integerField(map, 'left'),
    isDone: booleanField(map, 'isDone'),
  }
}

function topicFromPlain(value: unknown): TopicSummary {
  const map = asMap(value, 'topic')
  return {
    topic: textField(map, 'topic'),
    events: integerField(map, 'events'),
    bytes: integerField(map, 'bytes'),
    firstSeq: integerField(map, 'firstSeq'),
    last: pointOf(asMap(field(map, 'last'), 'last')),
  }
}

function pointOf(map: PlainMap): EventPoint {
  return { seq: integerField(map, 'seq'), timeMicros: integerField(map, 'timeMicros') }
}
