import { utf8Bytes } from '../../encoding/index.ts'
import { SYSTEM_PLACE } from '../../model/index.ts'
import {
  compactionKey,
  eventKey,
  eventLogPrefix,
  eventsPrefix,
  keyedKey,
  KV_PREFIX_BYTES,
  SYSTEM_SCOPE_ID,
  topicCountKey,
  topicCountsPrefix,
  topicKey,
  topicPrefix,
} from '../layers.ts'
import { decodeHead, decodeTopicCount, eventBytes, placeOf, readCompaction, readEventState } from '../outbox/index.ts'
import type { EventPlace, TopicCount } from '../outbox/index.ts'
import { peekRecord } from '../record-scan.ts'
import { prefixEnd, withLoading } from '../record-store.ts'
import type { RecordReader } from '../record-store.ts'
import type { Findings, Place } from './findings.ts'
import { KeySum, valueOf, walkRecords } from './walk.ts'
import type { Inspected } from './walk.ts'

/** Byte behind the prefix of a scope's events: an entry of a topic, of a key. */
const TOPIC = 2
const KEY = 3
/** Behind the name of a topic: a byte 0, seq and number. */
const PLACE_BYTES = 17
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
  await checkScope(inspected, SYSTEM_SCOPE_ID, SYSTEM_PLACE)
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
  await checkCounts(inspected, scopeId, place)
  await checkCompaction(inspected, scopeId, place, { nextNumber, removedThroughSeq })
}

/** What the events of a scope come to, one after the other. */
class EventLog {
  count = 0
  bytes = 0
  readonly byTopic: KeySum = new KeySum()
  readonly byKey: KeySum = new KeySum()
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

/** A topic's events as its entries come by. */
interface TopicRun extends TopicCount {
  readonly topic: string
  readonly last: EventPlace
}

/** What is counted of each topic is what its entries come to; each count is of a topic that has some. */
async function checkCounts(inspected: Inspected, scopeId: number, place: Place): Promise<void> {
  const { reader, findings } = inspected
  const prefix = entriesPrefix(scopeId, TOPIC)
  let run: TopicRun | undefined
  const check = (ended: TopicRun | undefined): void => {
    if (ended === undefined || isCounted(reader, scopeId, ended)) return
    const key = topicCountKey(scopeId, utf8Bytes(ended.topic))
    findings.add('event', `topic ${ended.topic} is counted otherwise`, place, key)
  }
  await walkRecords(reader, prefix, key => {
    const topic = utf8.decode(key.subarray(prefix.length, key.length - PLACE_BYTES))
    const last = placeOf(key)
    const event = peekRecord(reader, eventKey(scopeId, last.seq, last.number))
    const bytes = event === undefined ? 0 : eventBytes(event.valueBytes)
    const isSame = run?.topic === topic
    if (!isSame) check(run)
    const before = isSame && run !== undefined ? run : { events: 0, bytes: 0 }
    const counts = { events: before.events + 1, bytes: before.bytes + bytes, lastSeq: last.seq, lastMicros: 0 }
    run = { topic, last, ...counts }
  })
  await withLoading(() => check(run))
  await walkRecords(reader, topicCountsPrefix(scopeId), key => {
    const name = key.subarray(KV_PREFIX_BYTES)
    const entries = topicPrefix(scopeId, name)
    let isThere = false
    reader.walk(entries, prefixEnd(entries), false, () => {
      isThere = true
      return false
    })
    if (!isThere) findings.add('event', `topic ${utf8.decode(name)} is counted and has no event`, place, key)
  })
}

/** Throws `ColdPages`. */
function isCounted(reader: RecordReader, scopeId: number, run: TopicRun): boolean {
  const counted = countOf(reader.get(topicCountKey(scopeId, utf8Bytes(run.topic)))?.value)
  const event = reader.get(eventKey(scopeId, run.last.seq, run.last.number))
  const lastMicros = event && headOf(event.value)?.timeMicros
  return (
    counted !== undefined &&
    counted.events === run.events &&
    counted.bytes === run.bytes &&
    counted.lastSeq === run.lastSeq &&
    // Of an event that is not there more is said elsewhere.
    (lastMicros === undefined || counted.lastMicros === lastMicros)
  )
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

function countOf(value: Uint8Array | undefined): TopicCount | undefined {
  try {
    return value && decodeTopicCount(value)
  } catch {
    return undefined
  }
}
