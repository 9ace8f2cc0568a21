import type { Timer, Timers, Random } from '../../platform/index.ts'
import type { PeerLimits } from './options.ts'

/** When to dial one link again: at once the first time, then after pauses that double up to a bound, each shortened at random. */
export class Redial {
  readonly #timers: Timers
  readonly #random: Random
  readonly #limits: PeerLimits
  readonly #dial: () => void
  #failures = 0
  #timer: Timer | undefined
  #isRefused = false
  #isStopped = false

  constructor(options: { timers: Timers; random: Random; limits: PeerLimits; dial: () => void }) {
    this.#timers = options.timers
    this.#random = options.random
    this.#limits = options.limits
    this.#dial = options.dial
  }

  /** The link is open: the next pause is short again. */
  opened(): void {
    this.#failures = 0
    this.#isRefused = false
  }

  /** The link could not be opened or was closed. */
  failed(): void {
    const [first, longest] = this.#limits.redialMs
    const pauseMs = Math.min(longest, first * 2 ** Math.min(this.#failures++, 30))
    this.#arm(pauseMs * (0.5 + this.#random.float() / 2))
  }

  /** The peer and this node do not go together: somebody must change something first. */
  refused(): void {
    this.#isRefused = true
    this.#arm(this.#limits.refusedRedialMs * (1 + this.#random.float() / 2))
  }

  /** The peer has shown itself: a pause that is under way ends, unless it follows a refusal. */
  hurry(): void {
    if (this.#timer === undefined || this.#isRefused) return
    this.#failures = 0
    this.#arm(0)
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  #arm(delayMs: number): void {
    if (this.#isStopped) return
    this.#timer?.cancel()
    this.#timer = this.#timers.after(delayMs, () => {
      this.#timer = undefined
      this.#dial()
    })
  }
}
