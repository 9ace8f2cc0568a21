import { readEvent, utf8Bytes } from '../../encoding/index.ts'
import type { EnvelopeCursor } from '../../encoding/index.ts'
import { isName } from '../../model/index.ts'
import type { EntryWork } from '../entry-work.ts'
import { eventKey, topicKey } from '../layers.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import { encodeEvent, putEventState, readEventState } from './event-record.ts'

/** Not `trim`: which characters are blank beyond these depends on the Unicode version. */
const BLANK = /^[ \t\r\n]*$/
const NOTHING = new Uint8Array(0)

/**
 * Appends the event that the cursor stands on to those of the scope, behind all that this and earlier entries have emitted: none takes
 * the place of another, whatever their topics and keys. Throws `MalformedBytes` and `ColdPages`.
 */
export function emitEvent(work: EntryWork, cursor: EnvelopeCursor, scopeId: number): Refusal | undefined {
  const { changes, seq, timeMicros, effects } = work
  const event = readEvent(cursor)
  const refusal = checkEvent(work, event)
  if (refusal !== undefined) return refusal
  const state = readEventState(changes, scopeId)
  const number = state.nextNumber
  const topic = utf8Bytes(event.topic)
  changes.put(eventKey(scopeId, seq, number), encodeEvent({ ...event, timeMicros }))
  changes.put(topicKey(scopeId, topic, seq, number), NOTHING)
  putEventState(changes, scopeId, { ...state, nextNumber: number + 1 })
  effects.event(scopeId, topic)
  return undefined
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
