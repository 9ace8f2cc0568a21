import { eventLogPrefix, withNumbers } from '../layers.ts'
import { prefixEnd } from '../record-store.ts'
import type { RecordReader } from '../record-store.ts'
import { decodeHead, placeOf } from './event-record.ts'
import type { EventPlace } from './event-record.ts'

/** What a search looks at: the first event of a commit. */
export interface SearchedEvent extends EventPlace {
  readonly timeMicros: number
}

/** The first event of the scope at or after a seq, or in reverse the last one before it. Throws `ColdPages`. */
export function eventAt(
  reader: RecordReader,
  scopeId: number,
  seq: number,
  reverse: boolean = false,
): SearchedEvent | undefined {
  const prefix = eventLogPrefix(scopeId)
  const at = withNumbers(prefix, seq)
  let found: SearchedEvent | undefined
  const [from, to] = reverse ? [prefix, at] : [at, prefixEnd(prefix)]
  reader.walk(from, to, reverse, (key, _, value) => {
    found = { ...placeOf(key), timeMicros: decodeHead(value()).timeMicros }
    return false
  })
  return found
}

/**
 * The first commit of the scope whose first event fits, given by that event; `fits` must hold for all commits after one for which it holds,
 * as it does of numbers and of leader times, which grow with seqs. Looks at as many events as the span of seqs has binary digits, for no
 * event is found by its time or number otherwise. Throws `ColdPages`.
 */
export function firstCommitThat(
  reader: RecordReader,
  scopeId: number,
  fits: (event: SearchedEvent) => boolean,
): SearchedEvent | undefined {
  const first = eventAt(reader, scopeId, 0)
  if (first === undefined || fits(first)) return first
  const last = eventAt(reader, scopeId, Number.MAX_SAFE_INTEGER, true)!
  let found = eventAt(reader, scopeId, last.seq)!
  if (!fits(found)) return undefined
  // What lies at `low` or before does not fit; what lies at `high` or later does, the first of it being `found`.
  let [low, high] = [first.seq, last.seq]
  while (high - low > 1) {
    const middle = low + Math.floor((high - low) / 2)
    const event = eventAt(reader, scopeId, middle)!
    if (fits(event)) {
      found = event
      high = middle
    } else low = event.seq
  }
  return found
}
