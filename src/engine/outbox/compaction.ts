import { utf8Bytes } from '../../encoding/index.ts'
import type { EventCompaction } from '../../model/index.ts'
import type { EntryWork } from '../entry-work.ts'
import type { JobTask } from '../jobs.ts'
import { eventLogPrefix, eventsPrefix, keyedKey, topicCountsPrefix, topicKey } from '../layers.ts'
import { isMutant } from '../mutants.ts'
import { prefixEnd } from '../record-store.ts'
import type { RecordReader } from '../record-store.ts'
import { removeStep } from '../rows/index.ts'
import { eventAt, firstCommitThat } from './event-search.ts'
import { decodeHead, eventBytes, placeOf, putEventState, putTopicCount } from './event-record.ts'
import { readEventState, readTopicCount } from './event-record.ts'

/** Events of one step, whose payloads it has in memory. */
const STEP_EVENTS_MAX = 128

const NEVER: number = Number.MAX_SAFE_INTEGER

type Compaction = Extract<JobTask, { kind: 'compactEvents' }>

export interface CompactionBounds {
  readonly maxAgeMs?: number
  readonly keepLast?: number
  readonly maxEvents?: number
}

/**
 * What is to be removed so that the bounds hold, and what is said of it; undefined if none is given that lets anything go, or nothing is
 * beyond them, or all that is goes already. Throws `ColdPages`.
 */
export function planCompaction(
  { changes, state, timeMicros, seq }: EntryWork,
  scopeId: number,
  { maxAgeMs, keepLast, maxEvents = NEVER }: CompactionBounds,
): { task: Compaction; compaction: Omit<EventCompaction, 'isDone'> } | undefined {
  if (maxAgeMs === undefined && keepLast === undefined) return undefined
  const { nextNumber, events } = readEventState(changes, scopeId)
  const begun = state.jobs.find(({ task }) => task.kind === 'compactEvents' && task.scopeId === scopeId)?.task
  const first = begun?.kind === 'compactEvents' ? begun.endNumber : nextNumber - events
  const end = Math.max(0, nextNumber - (keepLast ?? 0))
  const endMicros = maxAgeMs === undefined ? NEVER : Math.max(0, timeMicros - maxAgeMs * 1000)
  // What this commit emits stays: it may emit more.
  const allowed = endOfCommits(changes, scopeId, nextNumber, { end, endMicros, endSeq: seq })
  const endNumber = Math.min(allowed, limitedEnd(changes, scopeId, nextNumber, first, maxEvents))
  if (endNumber <= first) return undefined
  const compaction = {
    seq,
    events: endNumber - first,
    fromSeq: firstCommitThat(changes, scopeId, ({ number }) => number >= first)!.seq,
    throughSeq: seqBefore(changes, scopeId, endNumber),
    left: allowed - endNumber,
  }
  return { task: { kind: 'compactEvents', scopeId, endNumber }, compaction }
}

/** The number with which the first commit begins that has an event at or behind the bounds. */
function endOfCommits(
  reader: RecordReader,
  scopeId: number,
  nextNumber: number,
  { end, endMicros = NEVER, endSeq = NEVER }: { end: number; endMicros?: number; endSeq?: number },
): number {
  const next = firstCommitThat(
    reader,
    scopeId,
    event => event.number >= end || event.timeMicros >= endMicros || event.seq >= endSeq,
  )
  const endNumber = next?.number ?? nextNumber
  if (endNumber <= end) return endNumber
  // The commit before it has events on both sides of the number.
  const last = eventAt(reader, scopeId, next?.seq ?? NEVER, true)
  return last === undefined ? endNumber : eventAt(reader, scopeId, last.seq)!.number
}

/** The same for so many events, but at the least the first commit. */
function limitedEnd(
  reader: RecordReader,
  scopeId: number,
  nextNumber: number,
  first: number,
  maxEvents: number,
): number {
  if (first + maxEvents >= nextNumber) return nextNumber
  const endNumber = endOfCommits(reader, scopeId, nextNumber, { end: first + maxEvents })
  if (endNumber > first || maxEvents === 0) return endNumber
  return firstCommitThat(reader, scopeId, ({ number }) => number > first)?.number ?? nextNumber
}

/** Of the event before a number with which a commit begins, or all end. */
function seqBefore(reader: RecordReader, scopeId: number, endNumber: number): number {
  const next = firstCommitThat(reader, scopeId, ({ number }) => number >= endNumber)
  return eventAt(reader, scopeId, next?.seq ?? NEVER, true)!.seq
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
    if (number >= task.endNumber) return false
    commit.push(removedOf(task.scopeId, key.slice(), value()))
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
    ...(!isMutant('events_removed_unnoticed') && { removedThroughSeq: removed.at(-1)!.seq }),
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
