import type { Clock } from '../index.ts'
import type { SimulatedWorld } from './world.ts'

/** How a machine's clocks differ from the world's. */
export interface ClockOptions {
  /** What `monotonicMs` says when the world begins. */
  monotonicOriginMs?: number
  /** Clock milliseconds per virtual millisecond: 1.05 runs five per cent fast. */
  rate?: number
  /** How far `wallMicros` is ahead of true time, in microseconds. */
  wallOffsetMicros?: number
}

/** True wall time when a world begins: 2026-01-01T00:00:00Z, in microseconds. */
export const WORLD_EPOCH_MICROS = 1_767_225_600_000_000

/** The clocks of one simulated process. They go on while the process is paused. */
export class SimulatedClock implements Clock {
  readonly #world: SimulatedWorld
  #rate: number
  /** The clocks' readings at the last change of rate, and the world's time then. */
  #sinceMs: number
  #monotonicAtMs: number
  /** The process has computed until then: within an event its clock runs ahead of the world's. */
  busyUntilMs: number = 0
  #wallAtMicros: number

  constructor(world: SimulatedWorld, options: ClockOptions = {}) {
    this.#world = world
    this.#rate = options.rate ?? 1
    this.#sinceMs = world.nowMs
    this.#monotonicAtMs = (options.monotonicOriginMs ?? 0) + world.nowMs
    this.#wallAtMicros = WORLD_EPOCH_MICROS + world.nowMs * 1000 + (options.wallOffsetMicros ?? 0)
  }

  get rate(): number {
    return this.#rate
  }

  monotonicMs(): number {
    return this.#monotonicAtMs + (this.#nowMs() - this.#sinceMs) * this.#rate
  }

  wallMicros(): number {
    return Math.floor(this.#wallAtMicros + (this.#nowMs() - this.#sinceMs) * this.#rate * 1000)
  }

  #nowMs(): number {
    return Math.max(this.#world.nowMs, this.busyUntilMs)
  }

  /** Changes the speed of both clocks from now on. */
  setRate(rate: number): void {
    const monotonicMs = this.monotonicMs()
    const wallMicros = this.#wallAtMicros + (this.#nowMs() - this.#sinceMs) * this.#rate * 1000
    this.#sinceMs = this.#nowMs()
    this.#monotonicAtMs = monotonicMs
    this.#wallAtMicros = wallMicros
    this.#rate = rate
  }

  /** Moves the wall clock by this many microseconds, either way. */
  jumpWall(micros: number): void {
    this.#wallAtMicros += micros
  }

  /** How much virtual time passes while this clock counts `clockMs`. */
  toVirtualMs(clockMs: number): number {
    return clockMs / this.#rate
  }
}
