import { stored } from '../as-stored.ts'
import { ByteReader, ByteWriter, MalformedBytes, utf8Bytes } from '../../encoding/index.ts'
import type { EventCompaction, EventData } from '../../model/index.ts'
import type { Changes } from '../changes.ts'
import { compactionKey, eventStateKey, readU64BE, topicCountKey } from '../layers.ts'
import type { RecordReader } from '../record-store.ts'

const FORMAT = 1
/** 1 counted nothing, and its events had no entries by key: it is not read. */
const STATE_FORMAT = 2
/** Of an event's record beside topic, key and payload. */
const EVENT_FRAME_BYTES = 17
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** An event by the entry that emitted it and its number in the scope. */
export interface EventPlace {
  readonly seq: number
  readonly number: number
}

/** The end of a key of an event, or of an entry of a topic or a key. */
export function placeOf(key: Uint8Array): EventPlace {
  return { seq: readU64BE(key, key.length - 16), number: readU64BE(key, key.length - 8) }
}

export function encodeEvent({ timeMicros, topic, key, payload }: Omit<EventData, 'seq'>): Uint8Array {
  const writer = new ByteWriter(64 + payload.length)
  writer.u8(FORMAT)
  writer.u64(timeMicros)
  writer.text16(topic)
  writer.text16(key)
  writer.bytes32(utf8Bytes(payload))
  return writer.finish()
}

export function decodeEvent(seq: number, bytes: Uint8Array): EventData {
  const { timeMicros, topic, key, reader } = decodeHead(bytes)
  return { seq, timeMicros, topic, key, payload: utf8.decode(reader.bytes32()) }
}

export interface EventHead {
  readonly timeMicros: number
  readonly topic: string
  readonly key: string
  /** At the payload. */
  readonly reader: ByteReader
}

/** A stored event but its payload. */
export function decodeHead(bytes: Uint8Array): EventHead {
  return stored(headOf, bytes)
}

function headOf(bytes: Uint8Array): EventHead {
  const reader = new ByteReader(bytes)
  reader.u8()
  return { timeMicros: reader.u64(), topic: reader.text16(), key: reader.text16(), reader }
}

/** Bytes of topic, key and payload of an event with a record of this length. */
export function eventBytes(recordBytes: number): number {
  return recordBytes - EVENT_FRAME_BYTES
}

/** Of a scope's events. */
export interface EventState {
  /** Of the next event: how many the scope has had. */
  readonly nextNumber: number
  /** Everything up to this seq is removed; 0 = nothing. */
  readonly removedThroughSeq: number
  /** Those that are there: numbers `nextNumber - events` and on. */
  readonly events: number
  /** Of their topics, keys and payloads. */
  readonly bytes: number
}

const NO_EVENTS: EventState = { nextNumber: 0, removedThroughSeq: 0, events: 0, bytes: 0 }

/** Throws `ColdPages`. */
export function readEventState(reader: RecordReader, scopeId: number): EventState {
  const record = reader.get(eventStateKey(scopeId))
  return record === undefined ? NO_EVENTS : stored(decodeEventState, record.value)
}

export function decodeEventState(value: Uint8Array): EventState {
  const fields = new ByteReader(value)
  const format = fields.u8()
  if (format !== STATE_FORMAT) throw new MalformedBytes(`events of format ${format}`)
  return { nextNumber: fields.u64(), removedThroughSeq: fields.u64(), events: fields.u64(), bytes: fields.u64() }
}

export function putEventState(changes: Changes, scopeId: number, state: EventState): void {
  const key = eventStateKey(scopeId)
  const writer = new ByteWriter(33)
  writer.u8(STATE_FORMAT)
  for (const number of [state.nextNumber, state.removedThroughSeq, state.events, state.bytes]) writer.u64(number)
  changes.put(key, writer.finish(), changes.metadata(key)?.createdSeq)
}

/** Of the events of a topic that are there. */
export interface TopicCount {
  readonly events: number
  /** Of their topics, keys and payloads. */
  readonly bytes: number
  /** Of the newest. */
  readonly lastSeq: number
  readonly lastMicros: number
}

const NO_TOPIC: TopicCount = { events: 0, bytes: 0, lastSeq: 0, lastMicros: 0 }

/** Throws `ColdPages`. */
export function readTopicCount(reader: RecordReader, scopeId: number, topic: Uint8Array): TopicCount {
  const record = reader.get(topicCountKey(scopeId, topic))
  return record === undefined ? NO_TOPIC : stored(decodeTopicCount, record.value)
}

export function decodeTopicCount(value: Uint8Array): TopicCount {
  const fields = new ByteReader(value)
  fields.u8()
  return { events: fields.u64(), bytes: fields.u64(), lastSeq: fields.u64(), lastMicros: fields.u64() }
}

/** A topic without events has no record. */
export function putTopicCount(changes: Changes, scopeId: number, topic: Uint8Array, count: TopicCount): void {
  const key = topicCountKey(scopeId, topic)
  if (count.events === 0) return changes.delete(key)
  const writer = new ByteWriter(33)
  writer.u8(FORMAT)
  for (const number of [count.events, count.bytes, count.lastSeq, count.lastMicros]) writer.u64(number)
  changes.put(key, writer.finish(), changes.metadata(key)?.createdSeq)
}

/** What the last compaction of the scope's events removes; undefined = there was none. Throws `ColdPages`. */
export function readCompaction(reader: RecordReader, scopeId: number): Omit<EventCompaction, 'isDone'> | undefined {
  const record = reader.get(compactionKey(scopeId))
  return record === undefined ? undefined : stored(decodeCompaction, record.value)
}

function decodeCompaction(value: Uint8Array): Omit<EventCompaction, 'isDone'> {
  const fields = new ByteReader(value)
  fields.u8()
  const [seq, events, fromSeq, throughSeq, left] = Array.from({ length: 5 }, () => fields.u64()) as Five
  return { seq, events, fromSeq, throughSeq, left }
}

type Five = [number, number, number, number, number]

export function putCompaction(changes: Changes, scopeId: number, compaction: Omit<EventCompaction, 'isDone'>): void {
  const { seq, events, fromSeq, throughSeq, left } = compaction
  const key = compactionKey(scopeId)
  const writer = new ByteWriter(41)
  writer.u8(FORMAT)
  for (const number of [seq, events, fromSeq, throughSeq, left]) writer.u64(number)
  changes.put(key, writer.finish(), changes.metadata(key)?.createdSeq)
}
