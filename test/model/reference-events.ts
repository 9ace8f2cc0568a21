import { utf8Bytes, type Ddl, type Mutation } from '../../src/encoding/index.ts'
import {
  isName,
  type ClusterSettings,
  type EventData,
  type ReadRequest,
  type ReadResult,
} from '../../src/model/index.ts'
import { Refusal } from './reference-refusal.ts'

/** A scope's events as a list: the oracle of emission, pages and compaction. */
export class ReferenceEvents {
  #events: readonly EventData[] = []
  #removedThroughSeq = 0

  copy(): ReferenceEvents {
    const copy = new ReferenceEvents()
    copy.#events = this.#events
    copy.#removedThroughSeq = this.#removedThroughSeq
    return copy
  }

  emit(
    event: Pick<Extract<Mutation, { type: 'emitEvent' }>, 'topic' | 'key' | 'payload'>,
    seq: number,
    timeMicros: number,
    settings: ClusterSettings,
  ): void {
    const { topic, key, payload } = event
    if (!isName(topic)) throw new Refusal('invalid_name', topic)
    if (/^[ \t\r\n]*$/.test(key)) throw new Refusal('invalid_argument', 'blank')
    if (utf8Bytes(key).length > settings.keyBytesMax) throw new Refusal('key_too_large')
    if (utf8Bytes(payload).length > settings.eventPayloadBytesMax) throw new Refusal('value_too_large')
    try {
      JSON.parse(payload)
    } catch {
      throw new Refusal('invalid_argument', 'no JSON')
    }
    this.#events = [...this.#events, { seq, timeMicros, topic, key, payload }]
  }

  /** At once, where the real one takes its time. */
  compact({ maxAgeMs, keepLast }: Extract<Ddl, { type: 'compactEvents' }>, timeMicros: number): boolean {
    if (maxAgeMs === undefined && keepLast === undefined) return false
    const bound = this.#events.length - (keepLast ?? 0)
    const isBeyond = ({ timeMicros: at }: EventData, i: number): boolean =>
      i < bound && (maxAgeMs === undefined || at < timeMicros - maxAgeMs * 1000)
    const stays = new Set(this.#events.filter((event, i) => !isBeyond(event, i)).map(({ seq }) => seq))
    const isDue = this.#events.length > 0 && isBeyond(this.#events[0]!, 0)
    const gone = this.#events.filter(({ seq }) => !stays.has(seq))
    this.#removedThroughSeq = gone.at(-1)?.seq ?? this.#removedThroughSeq
    this.#events = this.#events.filter(({ seq }) => stays.has(seq))
    return isDue
  }

  read({
    topic,
    afterSeq,
    limit,
    reverse = false,
  }: Omit<Extract<ReadRequest, { type: 'events' }>, 'type'>): ReadResult {
    const found = this.#events.filter(
      event => (topic === undefined || event.topic === topic) && (reverse || event.seq > afterSeq),
    )
    const wanted = reverse ? found.filter(({ seq }) => afterSeq === 0 || seq < afterSeq).reverse() : found
    const seqs = [...new Set(wanted.map(({ seq }) => seq))]
    const events: EventData[] = []
    for (const seq of seqs) {
      const commit = wanted.filter(event => event.seq === seq)
      if (events.length > 0 && events.length + commit.length > limit) break
      events.push(...commit)
    }
    return { type: 'events', events, more: events.length < wanted.length, removedThroughSeq: this.#removedThroughSeq }
  }
}
