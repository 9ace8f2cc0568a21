import { require } from './trace.ts'

/** For so long what was heard of a clock may count (DESIGN 7). */
const HEARD_MS = 10_000
/** Drift of what was heard long ago, and the way of a heartbeat. */
const SLACK_MICROS = 600_000
/** While the clocks lie behind, time goes on at a tenth; clocks may run five per cent fast. */
const SLOW_RATE = 0.11

interface Seen {
  readonly atMs: number
  /** Wall clock against true time, us. */
  readonly offset: number
}

/**
 * Holds leader time to the clocks of the machines: it is never ahead of all but one of them, unless it was and creeps. One clock that
 * is wrong, the leader's own too, must not make keys expire early.
 */
export class LeaderTimeOracle {
  readonly #seen = new Map<string, Seen[]>()
  readonly #epochMicros: number
  #last = { timeMicros: 0, atMs: 0 }

  constructor(epochMicros: number) {
    this.#epochMicros = epochMicros
  }

  /** A running node's wall clock at `nowMs`. */
  onLook(node: string, nowMs: number, wallMicros: number): void {
    const known = this.#seen.get(node) ?? []
    this.#seen.set(node, known)
    const offset = wallMicros - this.#epochMicros - nowMs * 1000
    const last = known.at(-1)
    // One sample for each step of the clock is enough.
    if (last === undefined || Math.abs(last.offset - offset) > 5_000 || nowMs - last.atMs > 1_000) {
      known.push({ atMs: nowMs, offset })
    }
    while (known.length > 1 && nowMs - known[1]!.atMs > HEARD_MS) known.shift()
  }

  /** An entry with this time was applied for the first time anywhere. */
  onEntry(seq: number, timeMicros: number, nowMs: number): void {
    const ahead = [...this.#seen.values()].map(known => Math.max(...known.map(({ offset }) => offset)))
    ahead.sort((a, b) => b - a)
    const bound = this.#epochMicros + nowMs * 1000 + (ahead[1] ?? Number.POSITIVE_INFINITY) + SLACK_MICROS
    const crept = this.#last.timeMicros + (nowMs - this.#last.atMs) * 1000 * SLOW_RATE + 1_000
    require(timeMicros <= bound || timeMicros <= crept, () =>
      `leader time of ${seq} is ${((timeMicros - bound + SLACK_MICROS) / 1000).toFixed(0)} ms ahead of all clocks but one`)
    if (timeMicros > this.#last.timeMicros) this.#last = { timeMicros, atMs: nowMs }
  }
}
