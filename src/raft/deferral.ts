import type { Clock, Timer, Timers } from '../platform/index.ts'

/** A follower that nobody waits for applies when it has so many entries or bytes of them, or after so long. */
export const DEFERRED_ENTRIES = 256
const DEFERRED_BYTES = 256 << 10
export const DEFERRED_MS = 10

export interface DeferralOptions {
  clock: Clock
  timers: Timers
  /** Somebody waits for what is applied here, or reads or watches it. */
  isAwaited: () => boolean
  /** Which of so many followers this one is, from 0. */
  place: () => { rank: number; count: number }
  /** What was put off is due. */
  onDue: () => void
}

/**
 * When a follower may put off applying what is committed. Each batch costs a follower a good part of what the entries in it do, and the
 * processor just when its leader applies for those who wait, so where nobody waits several rounds are applied together. Followers take
 * turns: each has its own place in a run of `DEFERRED_ENTRIES` seqs, so that a quorum without the one that is at it is quick.
 */
export class Deferral {
  readonly #options: DeferralOptions
  #bytes = 0
  #sinceMs: number | undefined
  #timer: Timer | undefined

  constructor(options: DeferralOptions) {
    this.#options = options
  }

  /** So much was added to the log. */
  appended(bytes: number): void {
    this.#bytes += bytes
  }

  /** Whether entries after `appliedSeq` up to `commit` may wait; if so, `onDue` is called in time. */
  mayWait(appliedSeq: number, commit: number): boolean {
    const { isAwaited, place, clock } = this.#options
    if (this.#bytes > DEFERRED_BYTES || isAwaited()) return false
    const { rank, count } = place()
    const offset = Math.floor((DEFERRED_ENTRIES * rank) / count)
    if (runOf(appliedSeq + offset) !== runOf(commit + offset)) return false
    this.#sinceMs ??= clock.monotonicMs()
    this.#timer ??= this.#arm(DEFERRED_MS)
    return true
  }

  get isUnderWay(): boolean {
    return this.#sinceMs !== undefined
  }

  #arm(delayMs: number): Timer {
    return this.#options.timers.after(delayMs, () => this.#fired())
  }

  /** The timer is left alone when a run is applied: the next one has most of its time still to go. */
  #fired(): void {
    this.#timer = undefined
    if (this.#sinceMs === undefined) return
    const leftMs = this.#sinceMs + DEFERRED_MS - this.#options.clock.monotonicMs()
    if (leftMs > 0) this.#timer = this.#arm(leftMs)
    else this.#options.onDue()
  }

  /** All that is committed is being applied. */
  ended(): void {
    this.#bytes = 0
    this.#sinceMs = undefined
  }

  stop(): void {
    this.ended()
    this.#timer?.cancel()
  }
}

function runOf(seq: number): number {
  return Math.floor(seq / DEFERRED_ENTRIES)
}
