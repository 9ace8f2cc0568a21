import type { Clock, Timer, Timers } from '../platform/index.ts'

export interface WakeTimerEvents {
  /** The monotonic time at which its owner wants to be woken, as of now. */
  dueMs: () => number
  onDue: () => void
}

/**
 * Wakes a replica in time for its next deadline. Deadlines move with every turn, mostly to later: the timer is only ever moved forward to
 * an earlier time, and one that finds nothing due goes on to the time that is due by then.
 */
export class WakeTimer {
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #events: WakeTimerEvents
  #timer: Timer | undefined
  #atMs = 0

  constructor(clock: Clock, timers: Timers, events: WakeTimerEvents) {
    this.#clock = clock
    this.#timers = timers
    this.#events = events
  }

  /** To be woken at this monotonic time, or earlier. */
  arm(atMs: number): void {
    if (this.#timer !== undefined && this.#atMs <= atMs) return
    this.#timer?.cancel()
    this.#atMs = atMs
    this.#timer = this.#timers.after(Math.max(0, atMs - this.#clock.monotonicMs()), () => this.#fired())
  }

  #fired(): void {
    this.#timer = undefined
    const dueMs = this.#events.dueMs()
    if (dueMs > this.#clock.monotonicMs()) this.arm(dueMs)
    else this.#events.onDue()
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
