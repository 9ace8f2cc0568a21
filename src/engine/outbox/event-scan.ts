import type { EventData, ReadResult } from '../../model/index.ts'
import type { ReadContext } from '../kv/index.ts'
import { eventKey, SYSTEM_SCOPE_ID } from '../layers.ts'
import { hearsOf } from '../lifecycle-sight.ts'
import { isMutant } from '../mutants.ts'
import type { RecordReader } from '../record-store.ts'
import { decodeEvent, readEventState } from './event-record.ts'
import type { EventSource, EventsRequest } from './event-source.ts'
import { eventSources } from './event-sources.ts'
import { placeOfPayload } from './lifecycle.ts'
import { PayloadFilter } from './payload-filter.ts'

/** A page ends at the first commit after this many bytes of events. */
export const EVENTS_BYTES_MAX = 1_048_576
/** And after this many that were looked at, wanted or not. */
const LOOKED_BYTES_MAX = 16_777_216
/** Events that one step looks at, and scopes whose first event it looks for. */
const STEP_EVENTS = 256
/** Sources that take about as long to ask as one event to look at. */
const STEP_SOURCES = 64
/** Scopes that one request may be about. */
export const EVENT_SCOPES_MAX = 10_000

/**
 * A page of events in the order of commits or in reverse: of a scope, of those of a project, or of all. A page has whole commits: at
 * most `limit` events, but never fewer than those of one commit. It ends early, with a place to go on, where it has looked at as many
 * events as a query may look at records. `step` goes on where a cold page stopped it.
 */
export class EventScan {
  readonly #reader: RecordReader
  readonly #context: ReadContext
  readonly #caller: string
  readonly #request: EventsRequest
  readonly #eventsMax: number
  readonly #filter: PayloadFilter
  readonly #sources: readonly EventSource[]
  readonly #reverse: boolean
  readonly #events: EventData[] = []
  /** Of the commit that is being read; 0 = between two. */
  #seq = 0
  /** The source that it is being read from. */
  #at = 0
  /** Where its events begin in `events`. */
  #commitAt = 0
  /** The last commit that was read to its end. */
  #doneSeq = 0
  #bytes = 0
  #looked = 0
  #lookedBytes = 0
  /** Sources whose first place is known. */
  #found = 0
  #nextSeq = 0
  /** All of its events are found: what else a page tells may still be cold. */
  #isOver = false

  /** @throws QuorateError of `eventSources` */
  constructor(context: ReadContext, request: EventsRequest, caller: string, eventsMax: number) {
    this.#reader = context.reader
    this.#context = context
    this.#caller = caller
    this.#request = request
    this.#eventsMax = eventsMax
    this.#reverse = request.reverse === true
    this.#sources = eventSources(context, request, EVENT_SCOPES_MAX)
    this.#filter = new PayloadFilter(request.where ?? [])
  }

  /** Undefined = there is more to do. Throws `ColdPages`; then to be called again after the load. */
  step(): ReadResult | undefined {
    this.#isOver ||= this.#findFirst() && this.#look()
    return this.#isOver ? this.#result() : undefined
  }

  /** Looks at some events; true at the end of the page. */
  #look(): boolean {
    // For each commit all sources are asked.
    const eventsMax = Math.ceil(STEP_EVENTS / (1 + Math.floor(this.#sources.length / STEP_SOURCES)))
    for (let left = eventsMax; left > 0; left--) {
      if (this.#seq === 0 && !this.#begin()) return true
      if (!this.#read()) return true
    }
    return false
  }

  /** Looks for the first places of some of the sources. */
  #findFirst(): boolean {
    const end = Math.min(this.#sources.length, this.#found + STEP_EVENTS)
    while (this.#found < end) {
      this.#sources[this.#found]!.peek(this.#reader)
      this.#found++
    }
    return this.#found === this.#sources.length
  }

  /** Goes to the next commit; false at the end, or where the page is full. */
  #begin(): boolean {
    let next = 0
    for (const source of this.#sources) {
      const place = source.peek(this.#reader)
      if (place === undefined) continue
      if (next === 0 || (this.#reverse ? place.seq > next : place.seq < next)) next = place.seq
    }
    if (next === 0) return false
    if (this.#isFull || this.#looked >= this.#eventsMax || this.#lookedBytes > LOOKED_BYTES_MAX) {
      this.#nextSeq = this.#doneSeq
      return false
    }
    this.#seq = next
    this.#at = 0
    this.#commitAt = this.#events.length
    return true
  }

  get #isFull(): boolean {
    return this.#events.length >= this.#request.limit || this.#bytes > EVENTS_BYTES_MAX
  }

  /** Looks at one event of the commit; false where it is one too many for the page, which then ends before the commit. */
  #read(): boolean {
    const source = this.#sources[this.#at]
    if (source === undefined) {
      this.#doneSeq = this.#seq
      this.#seq = 0
      return true
    }
    const place = source.peek(this.#reader)
    if (place?.seq !== this.#seq) {
      this.#at++
      return true
    }
    const record = this.#reader.get(eventKey(source.scopeId, place.seq, place.number))
    source.take()
    if (record === undefined) return true
    this.#looked++
    this.#lookedBytes += record.value.length
    const event = decodeEvent(place.seq, record.value)
    if (!this.#isWanted(event, source.scopeId)) return true
    if (this.#isFull && this.#commitAt > 0) {
      if (!isMutant('event_pages_cut_commits')) this.#events.length = this.#commitAt
      this.#nextSeq = this.#doneSeq
      return false
    }
    const isOfMany = this.#request.scope === undefined
    this.#events.push(isOfMany ? { ...source.names, ...event } : event)
    this.#bytes += record.value.length
    return true
  }

  #isWanted({ topic, payload }: EventData, scopeId: number): boolean {
    if (this.#request.topic !== undefined && this.#request.topic !== topic) return false
    if (scopeId !== SYSTEM_SCOPE_ID) return this.#filter.holds(payload)
    const { catalog, access } = this.#context
    return hearsOf(placeOfPayload(payload), catalog, access, this.#caller) && this.#filter.holds(payload)
  }

  #result(): ReadResult {
    let removedThroughSeq = 0
    for (const { scopeId } of this.#sources) {
      removedThroughSeq = Math.max(removedThroughSeq, readEventState(this.#reader, scopeId).removedThroughSeq)
    }
    return { type: 'events', events: this.#events, nextSeq: this.#nextSeq, removedThroughSeq }
  }
}
