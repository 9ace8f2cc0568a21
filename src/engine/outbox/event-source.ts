import { utf8Bytes } from '../../encoding/index.ts'
import type { ReadRequest } from '../../model/index.ts'
import { eventLogPrefix, keyedPrefix, topicPrefix, withNumbers } from '../layers.ts'
import { ColdPages, prefixEnd } from '../record-store.ts'
import type { RecordReader } from '../record-store.ts'
import { placeOf } from './event-record.ts'
import type { EventPlace } from './event-record.ts'
import { firstCommitThat } from './event-search.ts'

/** Keys that one walk takes over. */
const WALK_KEYS = 64

export type EventsRequest = Extract<ReadRequest, { type: 'events' }>

/** Where a scope lies, in answers about several. */
export interface SourceNames {
  readonly project: string
  readonly scope: string
}

/** The places of a scope's events that a request may want, in its order: of its key, its topic, or of all, by seq and by time. */
export class EventSource {
  readonly scopeId: number
  readonly names: SourceNames
  readonly #request: EventsRequest
  /** Undefined until times are found. */
  #range: { from: Uint8Array; to: Uint8Array } | undefined
  /** Found and not yet taken. */
  #places: EventPlace[] = []
  #hasAll = false

  constructor(scopeId: number, names: SourceNames, request: EventsRequest) {
    this.scopeId = scopeId
    this.names = names
    this.#request = request
  }

  /** The next place; undefined = there is none. Throws `ColdPages`: called again after the load, it skips nothing. */
  peek(reader: RecordReader): EventPlace | undefined {
    if (this.#places.length === 0 && !this.#hasAll) this.#walk(reader)
    return this.#places[0]
  }

  take(): void {
    this.#places.shift()
  }

  /** `key` first: a key has the fewest events. */
  #prefix(): Uint8Array {
    const { key, topic } = this.#request
    if (key !== undefined) return keyedPrefix(this.scopeId, utf8Bytes(key))
    return topic === undefined ? eventLogPrefix(this.scopeId) : topicPrefix(this.scopeId, utf8Bytes(topic))
  }

  #rangeOf(reader: RecordReader): { from: Uint8Array; to: Uint8Array } {
    const { afterSeq, reverse = false, fromSeq = 0, toSeq = Number.MAX_SAFE_INTEGER } = this.#request
    const { fromMicros, toMicros } = this.#request
    let first = Math.max(fromSeq, reverse ? 0 : afterSeq + 1)
    /** Exclusive. */
    let end = Math.min(toSeq + 1, reverse && afterSeq > 0 ? afterSeq : Number.MAX_SAFE_INTEGER)
    if (fromMicros !== undefined) first = Math.max(first, this.#seqOfTime(reader, fromMicros))
    if (toMicros !== undefined) end = Math.min(end, this.#seqOfTime(reader, toMicros))
    const prefix = this.#prefix()
    const from = first === 0 ? prefix : withNumbers(prefix, first)
    if (first >= end) return { from, to: from }
    return { from, to: end === Number.MAX_SAFE_INTEGER ? prefixEnd(prefix) : withNumbers(prefix, end) }
  }

  /** Of the first commit at a leader time or later. */
  #seqOfTime(reader: RecordReader, micros: number): number {
    const found = firstCommitThat(reader, this.scopeId, ({ timeMicros }) => timeMicros >= micros)
    return found?.seq ?? Number.MAX_SAFE_INTEGER
  }

  #walk(reader: RecordReader): void {
    this.#range ??= this.#rangeOf(reader)
    const { reverse = false } = this.#request
    const range = this.#range
    const places: EventPlace[] = []
    let last: Uint8Array | undefined
    let hasMore = false
    try {
      reader.walk(range.from, range.to, reverse, key => {
        hasMore = places.length === WALK_KEYS
        if (hasMore) return false
        places.push(placeOf(key))
        last = key.slice()
        return true
      })
    } catch (error) {
      // What lies before a cold page is kept: a walk that began anew might need more pages than stay in memory.
      if (!(error instanceof ColdPages) || places.length === 0) throw error
      hasMore = true
    }
    this.#places = places
    this.#hasAll = !hasMore
    if (last === undefined) return
    if (reverse) range.to = last
    else range.from = Uint8Array.of(...last, 0)
  }
}
