import { QuorateError } from '../model/index.ts'
import type { Clock, Timer, Timers } from '../platform/index.ts'
import type { EngineView, ViewHolder } from './engine-view.ts'

/** What bounds the views that a program holds of its embedded database: each pins pages, and one of an older seq its own changes. */
export interface ViewLimits {
  /** Views that may be open at once, those of transactions and of long scans with them; default 10,000. */
  openMax?: number
  /** A view that has been open for so long is closed, ms; default Infinity. */
  maxAgeMs?: number
}

const OPEN_MAX = 10_000

/** The views that are open, the oldest first. */
export class OpenViews implements ViewHolder {
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #openMax: number
  readonly #maxAgeMs: number
  /** When each was opened. */
  readonly #views = new Map<EngineView, number>()
  #timer: Timer | undefined

  /** @throws QuorateError `invalid_argument` */
  constructor(
    { openMax = OPEN_MAX, maxAgeMs = Infinity }: ViewLimits,
    { clock, timers }: { clock: Clock; timers: Timers },
  ) {
    if (!(Number.isSafeInteger(openMax) && openMax > 0)) throw invalid('views.openMax', 'a whole number from 1')
    if (!(maxAgeMs > 0)) throw invalid('views.maxAgeMs', 'more than 0')
    this.#clock = clock
    this.#timers = timers
    this.#openMax = openMax
    this.#maxAgeMs = maxAgeMs
  }

  get open(): number {
    return this.#views.size
  }

  /** How long the oldest has been open; 0 without any. */
  get oldestMs(): number {
    const [sinceMs] = this.#views.values()
    return sinceMs === undefined ? 0 : this.#clock.monotonicMs() - sinceMs
  }

  /** @throws QuorateError `view_limit` if there are as many as may be */
  requireRoom(): void {
    if (this.#views.size < this.#openMax) return
    const message = `${this.#openMax} views are open, and no more may be: close those that are not needed`
    throw new QuorateError('view_limit', message, { retryable: true })
  }

  /** Counts the view until it is released. @throws QuorateError `view_limit`; the view is released then */
  add(view: EngineView): EngineView {
    if (this.#views.size >= this.#openMax) view.release()
    this.requireRoom()
    this.hold(view)
    return view
  }

  /** As `add`, for a view that nobody asked for and that is given beyond the limit. */
  hold(view: EngineView): void {
    this.#views.set(view, this.#clock.monotonicMs())
    view.heldBy(this)
    if (this.#maxAgeMs !== Infinity) this.#watch()
  }

  released(view: EngineView): void {
    this.#views.delete(view)
    if (this.#timer === undefined || this.#views.size > 0) return
    this.#timer.cancel()
    this.#timer = undefined
  }

  /** One timer waits for the oldest; it is set again when that has gone. */
  #watch(): void {
    if (this.#timer !== undefined || this.#views.size === 0) return
    const leftMs = Math.max(1, this.#maxAgeMs - this.oldestMs)
    this.#timer = this.#timers.after(
      leftMs,
      () => {
        this.#timer = undefined
        this.#expire()
        this.#watch()
      },
      { background: true },
    )
  }

  #expire(): void {
    const beforeMs = this.#clock.monotonicMs() - this.#maxAgeMs
    for (const [view, sinceMs] of this.#views) {
      if (sinceMs > beforeMs) return
      view.release(`the view has been open for more than ${this.#maxAgeMs} ms`)
    }
  }

  /** The database is closed: no timer of it stays. */
  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}

function invalid(name: string, expected: string): QuorateError {
  return new QuorateError('invalid_argument', `${name} is ${expected}`)
}
