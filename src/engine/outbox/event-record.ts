import { ByteReader, ByteWriter, utf8Bytes } from '../../encoding/index.ts'
import type { EventData } from '../../model/index.ts'
import type { Changes } from '../changes.ts'
import { eventStateKey, readU64BE } from '../layers.ts'
import type { RecordReader } from '../record-store.ts'

const FORMAT = 1
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** An event by the entry that emitted it and its number in the scope. */
export interface EventPlace {
  readonly seq: number
  readonly number: number
}

/** The end of a key of an event, or of an entry of a topic. */
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
  const { timeMicros, topic, reader } = decodeHead(bytes)
  return { seq, timeMicros, topic, key: reader.text16(), payload: utf8.decode(reader.bytes32()) }
}

/** What compaction looks at. */
export function decodeHead(bytes: Uint8Array): { timeMicros: number; topic: string; reader: ByteReader } {
  const reader = new ByteReader(bytes)
  reader.u8()
  return { timeMicros: reader.u64(), topic: reader.text16(), reader }
}

/** Of a scope's events. */
export interface EventState {
  /** Of the next event: how many the scope has had. */
  readonly nextNumber: number
  /** Everything up to this seq is removed; 0 = nothing. */
  readonly removedThroughSeq: number
}

const NO_EVENTS: EventState = { nextNumber: 0, removedThroughSeq: 0 }

/** Throws `ColdPages`. */
export function readEventState(reader: RecordReader, scopeId: number): EventState {
  const record = reader.get(eventStateKey(scopeId))
  if (record === undefined) return NO_EVENTS
  const fields = new ByteReader(record.value)
  fields.u8()
  return { nextNumber: fields.u64(), removedThroughSeq: fields.u64() }
}

export function putEventState(changes: Changes, scopeId: number, state: EventState): void {
  const key = eventStateKey(scopeId)
  const writer = new ByteWriter(17)
  writer.u8(FORMAT)
  writer.u64(state.nextNumber)
  writer.u64(state.removedThroughSeq)
  changes.put(key, writer.finish(), changes.metadata(key)?.createdSeq)
}
