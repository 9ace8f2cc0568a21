import { utf8Bytes } from '../../encoding/index.ts'
import {
  compactionKey,
  eventKey,
  eventLogPrefix,
  eventsPrefix,
  keyedKey,
  KV_PREFIX_BYTES,
  topicCountKey,
  topicCountsPrefix,
  topicKey,
} from '../layers.ts'
import { decodeHead, decodeTopicCount, eventBytes, placeOf, readCompaction, readEventState } from '../outbox/index.ts'
import { withLoading } from '../record-store.ts'
import type { RecordReader } from '../record-store.ts'
import type { Findings, Place } from './findings.ts'
import { KeySum, valueOf, walkRecords } from './walk.ts'
import type { Inspected } from './walk.ts'

/** Byte behind the prefix of a scope's events: an entry of a topic, of a key. */
const TOPIC = 2
const KEY = 3
const utf8 = new TextDecoder()

interface Head {
  readonly timeMicros: number
  readonly topic: string
  readonly key: string
}

/**
 * Every event is found by its topic and by its key, every entry has its event; numbers and times grow with seqs; and as many events and
 * bytes are counted, of the scope and of each topic, as there are.
 */
export async function checkEvents(inspected: Inspected): Promise<void> {
  for (const project of inspected.state.catalog.projectsById.values()) {
    for (const { id, name } of project.scopes.values()) {
      await checkScope(inspected, id, { project: project.name, scope: name })
    }
  }
}

async function checkScope(inspected: Inspected, scopeId: number, place: Place): Promise<void> {
  const { reader, findings } = inspected
  const { nextNumber, removedThroughSeq, events, bytes } = await withLoading(() => readEventState(reader, scopeId))
  const log = new EventLog(findings, scopeId, place, { nextNumber, events, removedThroughSeq })
  await walkRecords(reader, eventLogPrefix(scopeId), (key, record) => log.add(key, valueOf(record)))
  if (log.count !== events || log.bytes !== bytes) {
    const counted = `${events} events of ${bytes} bytes are counted`
    findings.add('event', `${counted}, ${log.count} of ${log.bytes} are there`, place, eventLogPrefix(scopeId))
  }
  const [topics, keys] = [new KeySum(), new KeySum()]
  await walkRecords(reader, entriesPrefix(scopeId, TOPIC), key => topics.add(key))
  await walkRecords(reader, entriesPrefix(scopeId, KEY), key => keys.add(key))
  if (!log.byTopic.equals(topics)) await locate(inspected, scopeId, place, TOPIC)
  if (!log.byKey.equals(keys)) await locate(inspected, scopeId, place, KEY)
  await checkCounts(inspected, scopeId, place, log)
  await checkCompaction(inspected, scopeId, place, { nextNumber, removedThroughSeq })
}

interface Count {
  events: number
  bytes: number
  lastSeq: number
  lastMicros: number
}

/** What the events of a scope come to, one after the other. */
class EventLog {
  count = 0
  bytes = 0
  readonly byTopic: KeySum = new KeySum()
  readonly byKey: KeySum = new KeySum()
  readonly topics: Map<string, Count> = new Map()
  readonly #findings: Findings
  readonly #scopeId: number
  readonly #place: Place
  readonly #nextNumber: number
  readonly #removedThroughSeq: number
  #number: number
  #timeMicros = 0

  constructor(
    findings: Findings,
    scopeId: number,
    place: Place,
    state: { nextNumber: number; events: number; removedThroughSeq: number },
  ) {
    this.#findings = findings
    this.#scopeId = scopeId
    this.#place = place
    this.#nextNumber = state.nextNumber
    this.#removedThroughSeq = state.removedThroughSeq
    this.#number = state.nextNumber - state.events
  }

  add(key: Uint8Array, value: Uint8Array): void {
    const { seq, number } = placeOf(key)
    const say = (reason: string): void => this.#findings.add('event', reason, this.#place, key)
    this.count++
    this.bytes += eventBytes(value.length)
    if (number >= this.#nextNumber) say(`the number ${number} was never given`)
    else if (number !== this.#number) say(`the number is ${number}, not ${this.#number}`)
    this.#number = number + 1
    if (seq <= this.#removedThroughSeq) say(`events up to seq ${this.#removedThroughSeq} are removed`)
    const head = headOf(value)
    if (head === undefined) return say('the event cannot be read')
    if (head.timeMicros < this.#timeMicros) say(`it is older than the event before it, of ${this.#timeMicros}`)
    this.#timeMicros = head.timeMicros
    this.byTopic.add(entryOf(TOPIC, this.#scopeId, head, key))
    this.byKey.add(entryOf(KEY, this.#scopeId, head, key))
    const { events = 0, bytes = 0 } = this.topics.get(head.topic) ?? {}
    const counted = { events: events + 1, bytes: bytes + eventBytes(value.length) }
    this.topics.set(head.topic, { ...counted, lastSeq: seq, lastMicros: head.timeMicros })
  }
}

/** What a compaction removes is removed, or a job is about to. */
async function checkCompaction(
  { reader, state, findings }: Inspected,
  scopeId: number,
  place: Place,
  { nextNumber, removedThroughSeq }: { nextNumber: number; removedThroughSeq: number },
): Promise<void> {
  const compaction = await withLoading(() => readCompaction(reader, scopeId))
  let isBegun = false
  for (const { key, task } of state.jobs) {
    if (task.kind !== 'compactEvents' || task.scopeId !== scopeId) continue
    isBegun = true
    if (task.endNumber > nextNumber) findings.add('event', 'a job removes events that never were', place, key)
  }
  if (compaction === undefined || isBegun || removedThroughSeq >= compaction.throughSeq) return
  const reason = `events up to seq ${compaction.throughSeq} are to be removed, and nothing does`
  findings.add('event', reason, place, compactionKey(scopeId))
}

async function checkCounts(
  { reader, findings }: Inspected,
  scopeId: number,
  place: Place,
  { topics }: EventLog,
): Promise<void> {
  await walkRecords(reader, topicCountsPrefix(scopeId), (key, record) => {
    const topic = utf8.decode(key.subarray(KV_PREFIX_BYTES))
    const counted = countOf(valueOf(record))
    const there = topics.get(topic)
    topics.delete(topic)
    const isSame =
      counted?.events === there?.events &&
      counted?.bytes === there?.bytes &&
      counted?.lastSeq === there?.lastSeq &&
      counted?.lastMicros === there?.lastMicros
    if (!isSame || there === undefined) findings.add('event', `topic ${topic} is counted otherwise`, place, key)
  })
  for (const topic of topics.keys()) {
    findings.add('event', `topic ${topic} is not counted`, place, topicCountKey(scopeId, utf8Bytes(topic)))
  }
}

/** Which events have no entry, and which entries no event. */
async function locate({ reader, findings }: Inspected, scopeId: number, place: Place, kind: number): Promise<void> {
  const nameOf = ({ topic, key }: Head): string => (kind === TOPIC ? `topic ${topic}` : `key ${key.slice(0, 80)}`)
  await walkRecords(reader, eventLogPrefix(scopeId), (key, record) => {
    const head = headOf(valueOf(record))
    if (head === undefined || reader.metadata(entryOf(kind, scopeId, head, key)) !== undefined) return
    findings.add('event', `${nameOf(head)} does not have the event`, place, key)
  })
  const what = kind === TOPIC ? 'topic' : 'key'
  await walkRecords(reader, entriesPrefix(scopeId, kind), key => {
    if (!hasEvent(reader, scopeId, kind, key)) findings.add('event', `the ${what} has no such event`, place, key)
  })
}

/** Whether an entry of a topic or a key is that of an event. Throws `ColdPages`. */
function hasEvent(reader: RecordReader, scopeId: number, kind: number, entry: Uint8Array): boolean {
  const { seq, number } = placeOf(entry)
  const own = eventKey(scopeId, seq, number)
  const event = reader.get(own)
  const head = event && headOf(event.value)
  if (head === undefined) return false
  const expected = entryOf(kind, scopeId, head, own)
  return expected.length === entry.length && expected.every((byte, i) => byte === entry[i])
}

function entryOf(kind: number, scopeId: number, { topic, key }: Head, event: Uint8Array): Uint8Array {
  const { seq, number } = placeOf(event)
  return kind === TOPIC
    ? topicKey(scopeId, utf8Bytes(topic), seq, number)
    : keyedKey(scopeId, utf8Bytes(key), seq, number)
}

function entriesPrefix(scopeId: number, kind: number): Uint8Array {
  const prefix = new Uint8Array(KV_PREFIX_BYTES + 1)
  prefix.set(eventsPrefix(scopeId))
  prefix[KV_PREFIX_BYTES] = kind
  return prefix
}

function headOf(event: Uint8Array): Head | undefined {
  try {
    return decodeHead(event)
  } catch {
    return undefined
  }
}

function countOf(value: Uint8Array): Count | undefined {
  try {
    return decodeTopicCount(value)
  } catch {
    return undefined
  }
}
