import { utf8Bytes } from '../../encoding/index.ts'
import type { EntryWork } from '../entry-work.ts'
import type { JobTask } from '../jobs.ts'
import { eventLogPrefix, eventsPrefix, topicKey } from '../layers.ts'
import { prefixEnd } from '../record-store.ts'
import type { RecordReader } from '../record-store.ts'
import { removeStep } from '../rows/index.ts'
import { decodeHead, placeOf, putEventState, readEventState } from './event-record.ts'

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

interface Removed {
  key: Uint8Array
  topicKey: Uint8Array
  seq: number
}

/** Removes the oldest commits' events, each commit's as a whole, so that no reader meets half of one. Throws `ColdPages`. */
export function compactStep(
  { changes }: EntryWork,
  task: Compaction,
  recordsMax: number,
): { removed: number; isDone: boolean } {
  const { scopeId } = task
  const limit = Math.max(1, Math.min(Math.floor(recordsMax / 2), STEP_EVENTS_MAX))
  const whole: Removed[] = []
  let commit: Removed[] = []
  let isDone = true
  const prefix = eventLogPrefix(scopeId)
  changes.walk(prefix, prefixEnd(prefix), false, (key, _, value) => {
    const { seq, number } = placeOf(key)
    if (commit.length > 0 && commit[0]!.seq !== seq) {
      whole.push(...commit)
      commit = []
      isDone = whole.length < limit
      if (!isDone) return false
    }
    const { timeMicros, topic } = decodeHead(value())
    if (!isBeyond(task, number, timeMicros)) {
      commit = []
      return false
    }
    commit.push({ key: key.slice(), topicKey: topicKey(scopeId, utf8Bytes(topic), seq, number), seq })
    return true
  })
  whole.push(...commit)
  for (const removed of whole) {
    changes.delete(removed.key)
    changes.delete(removed.topicKey)
  }
  const last = whole.at(-1)
  if (last !== undefined) {
    putEventState(changes, scopeId, { ...readEventState(changes, scopeId), removedThroughSeq: last.seq })
  }
  return { removed: whole.length * 2, isDone }
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
  return removeStep(work, eventsPrefix(scopeId), false, recordsMax)
}
