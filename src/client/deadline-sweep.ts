import type { Timer } from '../platform/index.ts'
import type { ClientPorts } from './options.ts'

/** One timer for all deadlines of a client: nearly everything ends long before its own. */
export class DeadlineSweep {
  readonly #ports: Pick<ClientPorts, 'clock' | 'timers'>
  readonly #endLate: (nowMs: number) => number
  #timer: Timer | undefined
  #dueMs = Number.POSITIVE_INFINITY

  /** `endLate` ends all whose deadline is at or before `nowMs`, and answers the nearest of the others (infinite = there is none). */
  constructor(ports: Pick<ClientPorts, 'clock' | 'timers'>, endLate: (nowMs: number) => number) {
    this.#ports = ports
    this.#endLate = endLate
  }

  /** Something ends at `deadlineMs` at the latest. hot path: bench/client */
  note(deadlineMs: number): void {
    if (deadlineMs >= this.#dueMs) return
    this.#timer?.cancel()
    this.#dueMs = deadlineMs
    const { clock, timers } = this.#ports
    const delayMs = Math.max(0, deadlineMs - clock.monotonicMs())
    this.#timer = timers.after(delayMs, () => this.#sweep(), { background: true })
  }

  #sweep(): void {
    this.#dueMs = Number.POSITIVE_INFINITY
    const nextMs = this.#endLate(this.#ports.clock.monotonicMs())
    if (nextMs < Number.POSITIVE_INFINITY) this.note(nextMs)
  }

  cancel(): void {
    this.#timer?.cancel()
  }
}
