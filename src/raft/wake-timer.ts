import type { Clock, Timer, Timers } from '../platform/index.ts'

/**
 * Wakes a replica in time for its next deadline. A turn too early does nothing, so the timer is only ever moved forward to an earlier
 * time: moving it in every turn would cost more than the few needless turns that come of leaving it.
 */
export class WakeTimer {
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #onWake: () => void
  #timer: Timer | undefined
  #atMs = 0

  constructor(clock: Clock, timers: Timers, onWake: () => void) {
    this.#clock = clock
    this.#timers = timers
    this.#onWake = onWake
  }

  /** A turn is due at this monotonic time, or earlier. */
  arm(atMs: number): void {
    if (this.#timer !== undefined && this.#atMs <= atMs) return
    this.#timer?.cancel()
    this.#atMs = atMs
    this.#timer = this.#timers.after(Math.max(0, atMs - this.#clock.monotonicMs()), () => {
      this.#timer = undefined
      this.#onWake()
    })
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
