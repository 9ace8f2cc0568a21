interface Event {
  readonly atMs: number
  readonly sequence: number
  readonly run: () => void
}

/** Virtual time: one heap of events keyed (time, order of scheduling). Nothing else moves the clock. */
export class EventQueue {
  nowMs = 0
  readonly #heap: Event[] = []
  #sequence = 0

  schedule(delayMs: number, run: () => void): void {
    const heap = this.#heap
    heap.push({ atMs: this.nowMs + Math.max(0, delayMs), sequence: this.#sequence++, run })
    let at = heap.length - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(heap[at]!, heap[parent]!)) break
      swap(heap, at, parent)
      at = parent
    }
  }

  /** Runs every event up to `untilMs`, or until `isDone`. */
  runUntil(untilMs: number, isDone: () => boolean = () => false): void {
    while (this.#heap.length > 0 && this.#heap[0]!.atMs <= untilMs && !isDone()) {
      const event = this.#pop()
      this.nowMs = event.atMs
      event.run()
    }
    if (!isDone()) this.nowMs = Math.max(this.nowMs, untilMs)
  }

  #pop(): Event {
    const heap = this.#heap
    const first = heap[0]!
    const last = heap.pop()!
    if (heap.length > 0) {
      heap[0] = last
      let at = 0
      for (;;) {
        let least = at
        for (const child of [2 * at + 1, 2 * at + 2]) {
          if (child < heap.length && isBefore(heap[child]!, heap[least]!)) least = child
        }
        if (least === at) break
        swap(heap, at, least)
        at = least
      }
    }
    return first
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence)
}

function swap(heap: Event[], a: number, b: number): void {
  const keep = heap[a]!
  heap[a] = heap[b]!
  heap[b] = keep
}
