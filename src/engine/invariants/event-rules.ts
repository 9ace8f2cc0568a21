import { utf8Bytes } from '../../encoding/index.ts'
import { eventKey, eventLogPrefix, eventsPrefix, KV_PREFIX_BYTES, topicKey } from '../layers.ts'
import { decodeHead, placeOf, readEventState } from '../outbox/index.ts'
import { withLoading } from '../record-store.ts'
import type { RecordReader } from '../record-store.ts'
import { KeySum, valueOf, walkRecords } from './walk.ts'
import type { Inspected } from './walk.ts'

/** Byte behind the prefix of a scope's events: an entry of a topic. */
const TOPIC = 2

/** Every event is found by its topic, every entry of a topic has its event, and numbers are below the next one. */
export async function checkEvents(inspected: Inspected): Promise<void> {
  const { reader, state, findings } = inspected
  for (const project of state.catalog.projectsById.values()) {
    for (const { id, name } of project.scopes.values()) {
      const place = { project: project.name, scope: name }
      const { nextNumber } = await withLoading(() => readEventState(reader, id))
      const [expected, actual] = [new KeySum(), new KeySum()]
      await walkRecords(reader, eventLogPrefix(id), (key, record) => {
        const topic = topicOf(valueOf(record))
        const { seq, number } = placeOf(key)
        if (number >= nextNumber) findings.add('event', `the number ${number} was never given`, place, key)
        if (topic === undefined) findings.add('event', 'the event cannot be read', place, key)
        else expected.add(topicKey(id, utf8Bytes(topic), seq, number))
      })
      await walkRecords(reader, topicsPrefix(id), key => actual.add(key))
      if (!expected.equals(actual)) await locate(inspected, id, place)
    }
  }
}

async function locate({ reader, findings }: Inspected, scopeId: number, place: object): Promise<void> {
  await walkRecords(reader, eventLogPrefix(scopeId), (key, record) => {
    const topic = topicOf(valueOf(record))
    const { seq, number } = placeOf(key)
    if (topic === undefined || reader.metadata(topicKey(scopeId, utf8Bytes(topic), seq, number)) !== undefined) return
    findings.add('event', `topic ${topic} does not have the event`, place, key)
  })
  await walkRecords(reader, topicsPrefix(scopeId), key => {
    if (!hasEvent(reader, scopeId, key)) findings.add('event', 'the topic has no such event', place, key)
  })
}

/** Whether an entry of a topic is that of an event. Throws `ColdPages`. */
function hasEvent(reader: RecordReader, scopeId: number, entry: Uint8Array): boolean {
  const { seq, number } = placeOf(entry)
  const event = reader.get(eventKey(scopeId, seq, number))
  const topic = event && topicOf(event.value)
  if (topic === undefined) return false
  const own = topicKey(scopeId, utf8Bytes(topic), seq, number)
  return own.length === entry.length && own.every((byte, i) => byte === entry[i])
}

function topicsPrefix(scopeId: number): Uint8Array {
  const prefix = new Uint8Array(KV_PREFIX_BYTES + 1)
  prefix.set(eventsPrefix(scopeId))
  prefix[KV_PREFIX_BYTES] = TOPIC
  return prefix
}

function topicOf(event: Uint8Array): string | undefined {
  try {
    return decodeHead(event).topic
  } catch {
    return undefined
  }
}
