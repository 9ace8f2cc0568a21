import { readEvent, utf8Bytes } from '../../encoding/index.ts'
import type { EnvelopeCursor } from '../../encoding/index.ts'
import { isName } from '../../model/index.ts'
import type { EntryWork } from '../entry-work.ts'
import { eventKey, keyedKey, topicKey } from '../layers.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import { encodeEvent, eventBytes, putEventState, putTopicCount } from './event-record.ts'
import { readEventState, readTopicCount } from './event-record.ts'

/** Not `trim`: which characters are blank beyond these depends on the Unicode version. */
const BLANK = /^[ \t\r\n]*$/
const NOTHING = new Uint8Array(0)

/**
 * Appends the event that the cursor stands on to those of the scope, behind all that this and earlier entries have emitted: none takes
 * the place of another, whatever their topics and keys. Throws `MalformedBytes` and `ColdPages`.
 */
export function emitEvent(work: EntryWork, cursor: EnvelopeCursor, scopeId: number): Refusal | undefined {
  const event = readEvent(cursor)
  const refusal = checkEvent(work, event)
  if (refusal !== undefined) return refusal
  appendEvent(work, scopeId, event)
  work.effects.event(scopeId, utf8Bytes(event.topic))
  return undefined
}

/** Throws `ColdPages`. */
export function appendEvent(
  { changes, seq, timeMicros }: EntryWork,
  scopeId: number,
  event: { topic: string; key: string; payload: string },
): void {
  const state = readEventState(changes, scopeId)
  const number = state.nextNumber
  const topic = utf8Bytes(event.topic)
  const record = encodeEvent({ ...event, timeMicros })
  const bytes = eventBytes(record.length)
  changes.put(eventKey(scopeId, seq, number), record)
  changes.put(topicKey(scopeId, topic, seq, number), NOTHING)
  changes.put(keyedKey(scopeId, utf8Bytes(event.key), seq, number), NOTHING)
  const count = readTopicCount(changes, scopeId, topic)
  putTopicCount(changes, scopeId, topic, {
    events: count.events + 1,
    bytes: count.bytes + bytes,
    lastSeq: seq,
    lastMicros: timeMicros,
  })
  putEventState(changes, scopeId, {
    ...state,
    nextNumber: number + 1,
    events: state.events + 1,
    bytes: state.bytes + bytes,
  })
}

function checkEvent(
  { state }: EntryWork,
  { topic, key, payload }: { topic: string; key: string; payload: string },
): Refusal | undefined {
  const { keyBytesMax, eventPayloadBytesMax } = state.settings
  if (!isName(topic)) return refuse('invalid_name', 'a topic has 1 to 128 of A-Z a-z 0-9 _ -')
  if (BLANK.test(key)) return refuse('invalid_argument', 'the key of an event is not blank')
  if (utf8Bytes(key).length > keyBytesMax) return refuse('key_too_large', `a key has at most ${keyBytesMax} bytes`)
  if (utf8Bytes(payload).length > eventPayloadBytesMax) {
    return refuse('value_too_large', `the payload of an event has at most ${eventPayloadBytesMax} bytes`)
  }
  return isJson(payload) ? undefined : refuse('invalid_argument', 'the payload of an event is JSON text')
}

/** The grammar of JSON is that of ECMAScript: the same on all replicas. */
function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return false
  }
}
