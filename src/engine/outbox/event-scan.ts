import { utf8Bytes } from '../../encoding/index.ts'
import { isName, QuorateError } from '../../model/index.ts'
import type { EventData, ReadRequest, ReadResult } from '../../model/index.ts'
import { requireScope } from '../kv/index.ts'
import type { ReadContext } from '../kv/index.ts'
import { eventKey, eventLogPrefix, topicPrefix, withNumbers } from '../layers.ts'
import { prefixEnd } from '../record-store.ts'
import { decodeEvent, placeOf, readEventState } from './event-record.ts'
import type { EventPlace } from './event-record.ts'

/** A page ends at the first commit after this many bytes of payloads. */
export const EVENTS_BYTES_MAX = 1_048_576
/** Keys that one walk takes over. */
const WALK_KEYS = 64
const NO_KEY = new Uint8Array(0)

/**
 * A page of the events of a scope, or of one topic of it, in the order of commits or in reverse. A page has whole commits: at most `limit`
 * events, but never fewer than those of one commit. `step` goes on where a cold page stopped it.
 */
export class EventScan {
  readonly #context: ReadContext
  readonly #request: Extract<ReadRequest, { type: 'events' }>
  readonly #scopeId: number
  #from: Uint8Array
  #to: Uint8Array
  /** Found and not yet read. */
  #places: EventPlace[] = []
  #hasAllPlaces = false
  readonly #events: EventData[] = []
  /** Where the last commit begins in `events`. */
  #commitAt = 0
  #bytes = 0
  #more = false

  /** @throws QuorateError `project_not_found`, `scope_not_found`, `permission_denied`, `invalid_argument`, `invalid_name` */
  constructor(context: ReadContext, request: Extract<ReadRequest, { type: 'events' }>) {
    const { catalog, access } = context
    const { id, projectId } = requireScope(catalog, request.project, request.scope)
    if (!access.mayReadRange(projectId, id, NO_KEY, undefined)) {
      throw new QuorateError('permission_denied', 'events are read by who may read all keys of their scope')
    }
    if (!Number.isSafeInteger(request.limit) || request.limit < 1) {
      throw new QuorateError('invalid_argument', 'the limit of a page of events is at least 1')
    }
    this.#context = context
    this.#request = request
    this.#scopeId = id
    const { topic, afterSeq, reverse = false } = request
    if (topic !== undefined && !isName(topic)) throw new QuorateError('invalid_name', 'no topic has such a name')
    const prefix = topic === undefined ? eventLogPrefix(id) : topicPrefix(id, utf8Bytes(topic))
    this.#from = reverse || afterSeq === 0 ? prefix : withNumbers(prefix, afterSeq + 1)
    this.#to = reverse && afterSeq > 0 ? withNumbers(prefix, afterSeq) : prefixEnd(prefix)
  }

  /** Throws `ColdPages`; then to be called again after the load. */
  step(): ReadResult {
    const { reader } = this.#context
    while (this.#hasNext()) {
      const place = this.#places[0]!
      if (!this.#isWanted(place)) break
      const record = reader.get(eventKey(this.#scopeId, place.seq, place.number))
      this.#places.shift()
      if (record !== undefined) this.#take(decodeEvent(place.seq, record.value), record.value.length)
    }
    const { removedThroughSeq } = readEventState(reader, this.#scopeId)
    return { type: 'events', events: this.#events, more: this.#more, removedThroughSeq }
  }

  #hasNext(): boolean {
    if (this.#places.length === 0 && !this.#hasAllPlaces && !this.#more) this.#walk()
    return this.#places.length > 0
  }

  /** False where the page is full: between two commits, or before the commit that does not fit whole. */
  #isWanted({ seq }: EventPlace): boolean {
    const events = this.#events
    const isFull = events.length >= this.#request.limit || this.#bytes > EVENTS_BYTES_MAX
    const isSameCommit = events.at(-1)?.seq === seq
    if (!isFull || (isSameCommit && this.#commitAt === 0)) return true
    if (isSameCommit) events.length = this.#commitAt
    this.#more = true
    this.#places = []
    return false
  }

  #take(event: EventData, bytes: number): void {
    const events = this.#events
    if (events.at(-1)?.seq !== event.seq) this.#commitAt = events.length
    events.push(event)
    this.#bytes += bytes
  }

  #walk(): void {
    const { reader } = this.#context
    const { reverse = false } = this.#request
    const places: EventPlace[] = []
    let last: Uint8Array | undefined
    let hasMore = false
    reader.walk(this.#from, this.#to, reverse, key => {
      hasMore = places.length === WALK_KEYS
      if (hasMore) return false
      places.push(placeOf(key))
      last = key.slice()
      return true
    })
    this.#places = places
    this.#hasAllPlaces = !hasMore
    if (last === undefined) return
    if (reverse) this.#to = last
    else this.#from = Uint8Array.of(...last, 0)
  }
}
