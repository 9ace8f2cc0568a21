import type { Clock } from '../platform/index.ts'

/** A node whose wall clock is off by more than this alarms and campaigns last (DESIGN 7). */
export const CLOCK_OFFSET_ALARM_MICROS = 500_000
/** Offsets older than this are no longer believed. */
const OFFSET_LIFETIME_MS = 10_000
/** While the median lies behind what was given out already, time advances at a tenth of the monotonic clock. */
const SLOW_RATE = 0.1

interface Offset {
  micros: number
  atMs: number
}

/**
 * Leader time (DESIGN 7): max(previous entry's, median of the voters' wall clocks), so that neither one wrong clock nor a change of
 * leader makes expiry jump. Offsets come from heartbeat answers; until those of a majority are known, a leader appends only its no-op.
 */
export class LeaderClock {
  readonly #clock: Clock
  readonly #offsets = new Map<number, Offset>()
  #lastMicros = 0
  #lastAtMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** An answer to a heartbeat: the peer read its wall clock half a round trip ago. */
  notePeer(peer: number, wallMicros: number, roundTripMs: number): void {
    const now = this.#clock.wallMicros()
    const micros = wallMicros + (roundTripMs * 1000) / 2 - now
    this.#offsets.set(peer, { micros, atMs: this.#clock.monotonicMs() })
  }

  /** Forgets everything: another term begins. */
  reset(): void {
    this.#offsets.clear()
    this.#lastAtMs = 0
  }

  /** An entry with this time was appended or received. */
  noteEntry(leaderTimeMicros: number): void {
    this.#lastMicros = Math.max(this.#lastMicros, leaderTimeMicros)
  }

  get lastMicros(): number {
    return this.#lastMicros
  }

  /** Offsets of the other voters against the own clock, as far as they are known and fresh. */
  #known(voters: readonly number[], self: number): number[] {
    const oldest = this.#clock.monotonicMs() - OFFSET_LIFETIME_MS
    const known: number[] = []
    for (const id of voters) {
      if (id === self) known.push(0)
      else {
        const offset = this.#offsets.get(id)
        if (offset !== undefined && offset.atMs >= oldest) known.push(offset.micros)
      }
    }
    return known.sort((a, b) => a - b)
  }

  /** Whether a majority's clocks are known, so that time may be given out. */
  isSet(voters: readonly number[], self: number): boolean {
    return this.#known(voters, self).length * 2 > voters.length
  }

  /** The own clock against the median of all known ones, us. */
  ownOffsetMicros(voters: readonly number[], self: number): number {
    return -median(this.#known(voters, self))
  }

  /** The time of the next entry, us. Never falls. */
  next(voters: readonly number[], self: number): number {
    const nowMs = this.#clock.monotonicMs()
    const target = Math.round(this.#clock.wallMicros() + median(this.#known(voters, self)))
    if (target >= this.#lastMicros) this.#lastMicros = target
    else if (this.#lastAtMs > 0) this.#lastMicros += Math.floor((nowMs - this.#lastAtMs) * 1000 * SLOW_RATE)
    this.#lastAtMs = nowMs
    return this.#lastMicros
  }
}

function median(sorted: readonly number[]): number {
  const middle = sorted.length >> 1
  if (sorted.length === 0) return 0
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
