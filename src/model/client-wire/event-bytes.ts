import { MalformedBytes, utf8Bytes, type ByteReader, type ByteWriter } from '../../encoding/index.ts'
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
import { readBoolean, readList } from './lists.ts'

/** Binary requests for events, and their answers (docs/formats/client-wire.md). */

type EventsRequest = Extract<ReadRequest, { type: 'events' }>
type SummaryRequest = Extract<ReadRequest, { type: 'eventSummary' }>

const U32_MAX = 0xffffffff
/** Parts of a request that may be absent, by bit; what is not among them is bit 9, reverse. */
const TEXTS = ['project', 'scope', 'topic', 'key'] as const
const NUMBERS = ['fromSeq', 'toSeq', 'fromMicros', 'toMicros'] as const
const HAS_WHERE = 256
const REVERSE = 512
const SUMMARY_HAS_TOPIC = 1
const SUMMARY_HAS_AFTER = 2
/** An event is u64 seq, u64 time, text16 topic, text16 key, u32 + payload. */
const EVENT_BYTES_MIN = 24
/** A condition is text16 pointer, u8 kind. */
const CONDITION_BYTES_MIN = 3
/** text16 topic, five u64. */
const TOPIC_BYTES_MIN = 42
const HAS_FIRST = 1
const HAS_LAST = 2
const MORE_TOPICS = 4
const HAS_COMPACTION = 8
const IS_COMPACTED = 16
const COMPACTION = ['seq', 'events', 'fromSeq', 'throughSeq', 'left'] as const
const EqualsCode = { null: 0, false: 1, true: 2, number: 3, text: 4 } as const
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function writeEventsRequest(out: ByteWriter, request: EventsRequest): void {
  const { limit, where } = request
  if (!(limit >= 0)) throw new RangeError(`limit ${limit}`)
  let flags = request.reverse === true ? REVERSE : 0
  for (const [bit, part] of [...TEXTS, ...NUMBERS].entries()) if (request[part] !== undefined) flags |= 1 << bit
  if (where !== undefined) flags |= HAS_WHERE
  out.u16(flags)
  for (const part of TEXTS) if (request[part] !== undefined) out.text16(request[part])
  for (const part of NUMBERS) if (request[part] !== undefined) out.u64(request[part])
  if (where !== undefined) {
    out.u32(where.length)
    for (const condition of where) writeCondition(out, condition)
  }
  out.u64(request.afterSeq)
  out.u32(Math.min(limit, U32_MAX))
}

export function readEventsRequest(reader: ByteReader): EventsRequest {
  const flags = reader.u16()
  if (flags >= REVERSE * 2) throw new MalformedBytes('events flags')
  const request: EventsRequest = { type: 'events', afterSeq: 0, limit: 0 }
  for (const [bit, part] of TEXTS.entries()) if ((flags & (1 << bit)) !== 0) request[part] = reader.text16()
  for (const [bit, part] of NUMBERS.entries()) {
    if ((flags & (1 << (bit + TEXTS.length))) !== 0) request[part] = reader.u64()
  }
  if ((flags & HAS_WHERE) !== 0) request.where = readList(reader, CONDITION_BYTES_MIN, readCondition)
  request.afterSeq = reader.u64()
  request.limit = reader.u32()
  if ((flags & REVERSE) !== 0) request.reverse = true
  return request
}

function writeCondition(out: ByteWriter, { pointer, equals }: EventCondition): void {
  out.text16(pointer)
  if (equals === null) return out.u8(EqualsCode.null)
  if (typeof equals === 'boolean') return out.u8(equals ? EqualsCode.true : EqualsCode.false)
  if (typeof equals === 'number') {
    out.u8(EqualsCode.number)
    return out.f64(equals)
  }
  out.u8(EqualsCode.text)
  out.bytes32(utf8Bytes(equals))
}

function readCondition(reader: ByteReader): EventCondition {
  return { pointer: reader.text16(), equals: readEquals(reader) }
}

function readEquals(reader: ByteReader): EventCondition['equals'] {
  const code = reader.u8()
  switch (code) {
    case EqualsCode.null:
      return null
    case EqualsCode.false:
    case EqualsCode.true:
      return code === EqualsCode.true
    case EqualsCode.number:
      return reader.f64()
    case EqualsCode.text:
      return readText(reader.bytes32())
    default:
      throw new MalformedBytes(`value ${code} of a condition`)
  }
}

export function writeSummaryRequest(out: ByteWriter, request: SummaryRequest): void {
  const { project, scope, topic, afterTopic, topics } = request
  if (!(topics >= 0)) throw new RangeError(`topics ${topics}`)
  out.u8((topic === undefined ? 0 : SUMMARY_HAS_TOPIC) | (afterTopic === undefined ? 0 : SUMMARY_HAS_AFTER))
  out.text16(project)
  out.text16(scope)
  if (topic !== undefined) out.text16(topic)
  if (afterTopic !== undefined) out.text16(afterTopic)
  out.u32(Math.min(topics, U32_MAX))
}

export function readSummaryRequest(reader: ByteReader): SummaryRequest {
  const flags = reader.u8()
  if (flags > (SUMMARY_HAS_TOPIC | SUMMARY_HAS_AFTER)) throw new MalformedBytes('summary flags')
  const place = { project: reader.text16(), scope: reader.text16() }
  const topic = (flags & SUMMARY_HAS_TOPIC) === 0 ? undefined : reader.text16()
  const afterTopic = (flags & SUMMARY_HAS_AFTER) === 0 ? undefined : reader.text16()
  return {
    type: 'eventSummary',
    ...place,
    ...(topic !== undefined && { topic }),
    ...(afterTopic !== undefined && { afterTopic }),
    topics: reader.u32(),
  }
}

/** u8 1 if events name their places. */
export function writeEvents(out: ByteWriter, result: Extract<ReadResult, { type: 'events' }>): void {
  const havePlaces = result.events[0]?.scope !== undefined
  out.u8(havePlaces ? 1 : 0)
  out.u64(result.nextSeq)
  out.u64(result.removedThroughSeq)
  out.u32(result.events.length)
  for (const event of result.events) {
    if (havePlaces) {
      out.text16(event.project ?? '')
      out.text16(event.scope ?? '')
    }
    writeEvent(out, event)
  }
}

export function readEvents(reader: ByteReader): Extract<ReadResult, { type: 'events' }> {
  const havePlaces = readBoolean(reader)
  const [nextSeq, removedThroughSeq] = [reader.u64(), reader.u64()]
  const read = (from: ByteReader): EventData =>
    havePlaces ? { project: from.text16(), scope: from.text16(), ...readEvent(from) } : readEvent(from)
  const events = readList(reader, EVENT_BYTES_MIN, read)
  return { type: 'events', events, nextSeq, removedThroughSeq }
}

function writeEvent(out: ByteWriter, event: EventData): void {
  out.u64(event.seq)
  out.u64(event.timeMicros)
  out.text16(event.topic)
  out.text16(event.key)
  out.bytes32(utf8Bytes(event.payload))
}

function readEvent(reader: ByteReader): EventData {
  const seq = reader.u64()
  const timeMicros = reader.u64()
  return { seq, timeMicros, topic: reader.text16(), key: reader.text16(), payload: readText(reader.bytes32()) }
}

export function writeSummary(out: ByteWriter, summary: EventsSummary): void {
  const { events, bytes, removed, removedThroughSeq, first, last, topics, moreTopics } = summary
  const flags = (first === undefined ? 0 : HAS_FIRST) | (last === undefined ? 0 : HAS_LAST)
  const { compaction } = summary
  const ofCompaction = compaction === undefined ? 0 : HAS_COMPACTION | (compaction.isDone ? IS_COMPACTED : 0)
  out.u8(flags | (moreTopics ? MORE_TOPICS : 0) | ofCompaction)
  for (const number of [events, bytes, removed, removedThroughSeq]) out.u64(number)
  for (const point of [first, last]) if (point !== undefined) writePoint(out, point)
  if (compaction !== undefined) for (const part of COMPACTION) out.u64(compaction[part])
  out.u32(topics.length)
  for (const topic of topics) {
    out.text16(topic.topic)
    for (const number of [topic.events, topic.bytes, topic.firstSeq]) out.u64(number)
    writePoint(out, topic.last)
  }
}

export function readSummary(reader: ByteReader): EventsSummary {
  const flags = reader.u8()
  if (flags > 31 || (flags & (HAS_COMPACTION | IS_COMPACTED)) === IS_COMPACTED) {
    throw new MalformedBytes('summary flags')
  }
  const [events, bytes, removed, removedThroughSeq] = [reader.u64(), reader.u64(), reader.u64(), reader.u64()]
  return {
    events,
    bytes,
    removed,
    removedThroughSeq,
    ...((flags & HAS_FIRST) !== 0 && { first: readPoint(reader) }),
    ...((flags & HAS_LAST) !== 0 && { last: readPoint(reader) }),
    ...((flags & HAS_COMPACTION) !== 0 && { compaction: readCompaction(reader, (flags & IS_COMPACTED) !== 0) }),
    topics: readList(reader, TOPIC_BYTES_MIN, readTopic),
    moreTopics: (flags & MORE_TOPICS) !== 0,
  }
}

function readCompaction(reader: ByteReader, isDone: boolean): EventCompaction {
  const compaction = { seq: 0, events: 0, fromSeq: 0, throughSeq: 0, left: 0, isDone }
  for (const part of COMPACTION) compaction[part] = reader.u64()
  return compaction
}

function readTopic(reader: ByteReader): TopicSummary {
  const topic = reader.text16()
  const [events, bytes, firstSeq] = [reader.u64(), reader.u64(), reader.u64()]
  return { topic, events, bytes, firstSeq, last: readPoint(reader) }
}

function writePoint(out: ByteWriter, { seq, timeMicros }: EventPoint): void {
  out.u64(seq)
  out.u64(timeMicros)
}

function readPoint(reader: ByteReader): EventPoint {
  return { seq: reader.u64(), timeMicros: reader.u64() }
}

function readText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new MalformedBytes('text is not UTF-8', { cause })
  }
}
