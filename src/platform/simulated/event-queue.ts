/** Something that will happen in the simulated world. */
export interface WorldEvent {
  atMs: number
  sequence: number
  /** Undefined once it was cancelled. */
  task: (() => void) | undefined
  readonly owner: EventOwner | undefined
}

/** Whose event it is: the dead do nothing, and the paused do it later. */
export interface EventOwner {
  readonly state: 'running' | 'paused' | 'dead'
  /** Until then it computes: what falls due waits, in its order. */
  readonly busyUntilMs?: number
  /** Keeps an event that fell due while paused. */
  defer(event: WorldEvent): void
}

/** A binary heap ordered by (atMs, sequence), so that simultaneous events happen in the order in which they were made. */
export class EventQueue {
  readonly #heap: WorldEvent[] = []

  get size(): number {
    return this.#heap.length
  }

  peek(): WorldEvent | undefined {
    return this.#heap[0]
  }

  push(event: WorldEvent): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(event)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent] as WorldEvent
      if (!isBefore(event, above)) break
      heap[at] = above
      at = parent
    }
    heap[at] = event
  }

  pop(): WorldEvent | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1] as WorldEvent, heap[child] as WorldEvent)) child++
      const below = heap[child] as WorldEvent
      if (!isBefore(below, last)) break
      heap[at] = below
      at = child
    }
    heap[at] = last
    return first
  }
}

function isBefore(a: WorldEvent, b: WorldEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence)
}
