import type { GoawayReason, Topology } from '../model/index.ts'

/** What happens to a client's connections, as `Client.statusEvents()` tells it. `url` is the node's WebSocket. */
export type StatusEvent =
  | { type: 'connected'; url: string; nodeId: number }
  | { type: 'disconnected'; url: string; nodeId: number; reason: string }
  | { type: 'reconnecting'; url: string; attempt: number; delayMs: number }
  /** Another node leads, or none is known (0). */
  | { type: 'leader'; nodeId: number; term: number }
  | { type: 'topology'; topology: Topology }
  | { type: 'goaway'; url: string; nodeId: number; reason: GoawayReason; graceMs: number }
  | { type: 'sessionOpened'; session: number }
  /** The cluster has forgotten the session; requests in doubt have ended as unknown, another session is opened. */
  | { type: 'sessionLost'; session: number }

/** An iteration that falls behind by more loses the oldest events. */
const QUEUED_EVENTS_MAX = 1_024

/** Tells every iteration each event, from its start on. */
export class StatusEvents {
  readonly #listeners = new Set<EventQueue>()
  #isClosed = false

  emit(event: StatusEvent): void {
    for (const listener of this.#listeners) listener.push(event)
  }

  /** Ends all iterations, after what they have not taken yet. */
  close(): void {
    this.#isClosed = true
    for (const listener of this.#listeners) listener.wake()
  }

  /** Events from now on. */
  iterate(): AsyncIterable<StatusEvent> {
    const queue = new EventQueue()
    this.#listeners.add(queue)
    return this.#drain(queue)
  }

  async *#drain(queue: EventQueue): AsyncGenerator<StatusEvent, void> {
    try {
      for (;;) {
        const event = queue.take()
        if (event !== undefined) yield event
        else if (this.#isClosed) return
        else await queue.somethingNew()
      }
    } finally {
      this.#listeners.delete(queue)
    }
  }
}

class EventQueue {
  #events: StatusEvent[] = []
  #waiting: (() => void) | undefined

  push(event: StatusEvent): void {
    if (this.#events.length >= QUEUED_EVENTS_MAX) this.#events.shift()
    this.#events.push(event)
    this.wake()
  }

  take(): StatusEvent | undefined {
    return this.#events.shift()
  }

  somethingNew(): Promise<void> {
    return new Promise(resolve => (this.#waiting = resolve))
  }

  wake(): void {
    this.#waiting?.()
    this.#waiting = undefined
  }
}
