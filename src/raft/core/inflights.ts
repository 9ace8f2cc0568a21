/**
 * The window of append requests sent to one peer and not yet acknowledged: a ring of (last seq, bytes, entries),
 * bounded by messages, entries and bytes. Seqs strictly increase.
 */
export interface Inflights {
  readonly seqs: Float64Array
  readonly sizes: Float64Array
  readonly counts: Float64Array
  head: number
  length: number
  bytes: number
  entries: number
}

export function createInflights(capacity: number): Inflights {
  return {
    seqs: new Float64Array(capacity),
    sizes: new Float64Array(capacity),
    counts: new Float64Array(capacity),
    head: 0,
    length: 0,
    bytes: 0,
    entries: 0,
  }
}

/** Adds a request that ends at lastSeq. The caller has checked the window. */
export function addInflight(window: Inflights, lastSeq: number, entries: number, bytes: number): void {
  const capacity = window.seqs.length
  if (window.length === capacity) throw new Error('inflight window overflow')
  const at = (window.head + window.length) % capacity
  window.seqs[at] = lastSeq
  window.sizes[at] = bytes
  window.counts[at] = entries
  window.length++
  window.bytes += bytes
  window.entries += entries
}

/** Frees every request that ends at or below matchSeq. */
export function freeInflightsThrough(window: Inflights, matchSeq: number): void {
  const capacity = window.seqs.length
  while (window.length > 0 && window.seqs[window.head]! <= matchSeq) {
    window.bytes -= window.sizes[window.head]!
    window.entries -= window.counts[window.head]!
    window.head = (window.head + 1) % capacity
    window.length--
  }
}

/** Empties the window, its byte and entry counts as well (L12, er#54). */
export function clearInflights(window: Inflights): void {
  window.head = 0
  window.length = 0
  window.bytes = 0
  window.entries = 0
}
