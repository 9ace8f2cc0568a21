import type { Clock, Timers } from '../platform/index.ts'

/** Work that holds the loop gives it back after this long (DESIGN 7). */
const SLICE_MS = 5

/** Tells long work when it has held the loop long enough. One for each piece of work. */
export class Slice {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #timers: Pick<Timers, 'endOfTurn'>
  #untilMs: number

  constructor(clock: Pick<Clock, 'monotonicMs'>, timers: Pick<Timers, 'endOfTurn'>) {
    this.#clock = clock
    this.#timers = timers
    this.#untilMs = clock.monotonicMs() + SLICE_MS
  }

  get isOver(): boolean {
    return this.#clock.monotonicMs() >= this.#untilMs
  }

  /** Resolves in a later turn of the loop, in which the next slice begins. */
  next(): Promise<void> {
    return new Promise(resolve => {
      this.#timers.endOfTurn(() => {
        this.#untilMs = this.#clock.monotonicMs() + SLICE_MS
        resolve()
      })
    })
  }
}
