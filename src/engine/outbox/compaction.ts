import { utf8Bytes } from '../../encoding/index.ts'
import type { EntryWork } from '../entry-work.ts'
import type { JobTask } from '../jobs.ts'
import { eventLogPrefix, eventsPrefix, keyedKey, topicCountsPrefix, topicKey } from '../layers.ts'
import { prefixEnd } from '../record-store.ts'
import type { RecordReader } from '../record-store.ts'
import { removeStep } from '../rows/index.ts'
import { decodeHead, eventBytes, placeOf, putEventState, putTopicCount } from './event-record.ts'
import { readEventState, readTopicCount } from './event-record.ts'

/** Events of one step, whose payloads it has in memory. */
const STEP_EVENTS_MAX = 128

type Compaction = Extract<JobTask, { kind: 'compactEvents' }>

/** What is to be removed so that the bounds hold; undefined if no bound is given, or nothing is beyond them. Throws `ColdPages`. */
export function compactionOf(
  { changes, timeMicros }: EntryWork,
  scopeId: number,
  { maxAgeMs, keepLast }: { maxAgeMs?: number; keepLast?: number },
): Compaction | undefined {
  if (maxAgeMs === undefined && keepLast === undefined) return undefined
  const { nextNumber } = readEventState(changes, scopeId)
  const endNumber = Math.max(0, nextNumber - (keepLast ?? 0))
  const endMicros = maxAgeMs === undefined ? Number.MAX_SAFE_INTEGER : Math.max(0, timeMicros - maxAgeMs * 1000)
  const task: Compaction = { kind: 'compactEvents', scopeId, endNumber, endMicros }
  let isDue = false
  const prefix = eventLogPrefix(scopeId)
  changes.walk(prefix, prefixEnd(prefix), false, (key, _, value) => {
    isDue = isBeyond(task, placeOf(key).number, decodeHead(value()).timeMicros)
    return false
  })
  return isDue ? task : undefined
}

/** Events are removed only where every bound that is given allows it. */
function isBeyond({ endNumber, endMicros }: Compaction, number: number, timeMicros: number): boolean {
  return number < endNumber && timeMicros < endMicros
}

/** Records of an event. */
const RECORDS_OF_EVENT = 3

interface Removed {
  readonly seq: number
  readonly topic: string
  readonly bytes: number
  readonly keys: readonly Uint8Array[]
}

/** Removes the oldest commits' events, each commit's as a whole, so that no reader meets half of one. Throws `ColdPages`. */
export function compactStep(
  work: EntryWork,
  task: Compaction,
  recordsMax: number,
): { removed: number; isDone: boolean } {
  const { changes } = work
  const limit = Math.max(1, Math.min(Math.floor(recordsMax / RECORDS_OF_EVENT), STEP_EVENTS_MAX))
  const whole: Removed[] = []
  let commit: Removed[] = []
  let isDone = true
  const prefix = eventLogPrefix(task.scopeId)
  changes.walk(prefix, prefixEnd(prefix), false, (key, _, value) => {
    const { seq, number } = placeOf(key)
    if (commit.length > 0 && commit[0]!.seq !== seq) {
      whole.push(...commit)
      commit = []
      isDone = whole.length < limit
      if (!isDone) return false
    }
    const record = value()
    if (!isBeyond(task, number, decodeHead(record).timeMicros)) {
      commit = []
      return false
    }
    commit.push(removedOf(task.scopeId, key.slice(), record))
    return true
  })
  whole.push(...commit)
  for (const { keys } of whole) for (const key of keys) changes.delete(key)
  if (whole.length > 0) countRemoved(work, task.scopeId, whole)
  return { removed: whole.length * RECORDS_OF_EVENT, isDone }
}

function removedOf(scopeId: number, eventKey: Uint8Array, record: Uint8Array): Removed {
  const { seq, number } = placeOf(eventKey)
  const { topic, key } = decodeHead(record)
  const keys = [
    eventKey,
    topicKey(scopeId, utf8Bytes(topic), seq, number),
    keyedKey(scopeId, utf8Bytes(key), seq, number),
  ]
  return { seq, topic, bytes: eventBytes(record.length), keys }
}

function countRemoved({ changes }: EntryWork, scopeId: number, removed: readonly Removed[]): void {
  const state = readEventState(changes, scopeId)
  putEventState(changes, scopeId, {
    ...state,
    removedThroughSeq: removed.at(-1)!.seq,
    events: state.events - removed.length,
    bytes: removed.reduce((bytes, event) => bytes - event.bytes, state.bytes),
  })
  const topics = new Map<string, { events: number; bytes: number }>()
  for (const { topic, bytes } of removed) {
    const { events = 0, bytes: before = 0 } = topics.get(topic) ?? {}
    topics.set(topic, { events: events + 1, bytes: before + bytes })
  }
  for (const [name, { events, bytes }] of topics) {
    const topic = utf8Bytes(name)
    const count = readTopicCount(changes, scopeId, topic)
    putTopicCount(changes, scopeId, topic, { ...count, events: count.events - events, bytes: count.bytes - bytes })
  }
}

/** Whether a scope has, or has had, any event. Throws `ColdPages`. */
export function hasEvents(reader: RecordReader, scopeId: number): boolean {
  return readEventState(reader, scopeId).nextNumber > 0
}

/** A part of the events of a scope that is dropped. */
export function removeEvents(
  work: EntryWork,
  scopeId: number,
  recordsMax: number,
): { removed: number; isDone: boolean } {
  const events = removeStep(work, eventsPrefix(scopeId), false, recordsMax)
  if (!events.isDone || events.removed >= recordsMax) return { ...events, isDone: false }
  const topics = removeStep(work, topicCountsPrefix(scopeId), false, recordsMax - events.removed)
  return { removed: events.removed + topics.removed, isDone: topics.isDone }
}
