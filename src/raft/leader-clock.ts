import type { Clock } from '../platform/index.ts'
import { isMutant } from './mutants.ts'

/** A node whose wall clock is off by more than this alarms and campaigns last (DESIGN 7). */
export const CLOCK_OFFSET_ALARM_MICROS = 500_000
/** What was heard of a clock longer ago than this is no longer believed. */
const HEARD_LIFETIME_MS = 10_000
/** A round trip longer than this was held up somewhere: by a pause, a stalled disk, a full link. */
const ROUND_TRIP_MS_MAX = 200
/** While the median lies behind what was given out already, time advances at a tenth of the monotonic clock. */
const SLOW_RATE = 0.1

/** A peer's wall clock as of a moment of the own monotonic clock: a step of the own wall clock changes nothing about it. */
interface Heard {
  wallMicros: number
  atMs: number
}

/**
 * Leader time (DESIGN 7): max(previous entry's, median of the voters' wall clocks), so that neither one wrong clock nor a change of
 * leader makes expiry jump. The clocks come from heartbeats; until those of a majority are known, a leader appends only its no-op.
 */
export class LeaderClock {
  readonly #clock: Clock
  readonly #heard = new Map<number, Heard>()
  /** What the leader told last: a median, and no clock that counts as one. */
  #told: (Heard & { leader: number }) | undefined
  #lastMicros = 0
  /** When time was given out last in this leadership. */
  #lastAtMs: number | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * An answer to a heartbeat: the peer read its wall clock half a round trip ago. Or just now, if it was the request that was held up:
   * then half of it would put a clock ahead that is not, so that nothing is added for a round trip that took long.
   */
  notePeer(peer: number, wallMicros: number, roundTripMs: number): void {
    const sinceMicros = roundTripMs <= ROUND_TRIP_MS_MAX ? roundTripMs * 500 : 0
    this.#heard.set(peer, { wallMicros: wallMicros + sinceMicros, atMs: this.#clock.monotonicMs() })
  }

  /** A leader's heartbeat: the median of the clocks that it knows. */
  noteTold(leader: number, wallMicros: number): void {
    this.#told = { leader, wallMicros, atMs: this.#clock.monotonicMs() }
  }

  /** A leadership begins: what passed since an earlier one is not made up for. */
  leadershipBegan(): void {
    this.#lastAtMs = undefined
  }

  /** An entry with this time was appended or received. */
  noteEntry(leaderTimeMicros: number): void {
    this.#lastMicros = Math.max(this.#lastMicros, leaderTimeMicros)
  }

  get lastMicros(): number {
    return this.#lastMicros
  }

  /** The voters' wall clocks now, ascending, as far as they were heard of lately. */
  #known(voters: readonly number[], self: number): number[] {
    const nowMs = this.#clock.monotonicMs()
    const known: number[] = []
    for (const id of voters) {
      if (id === self) insert(known, this.#clock.wallMicros())
      else {
        const heard = this.#heardLately(id, nowMs)
        if (heard !== undefined) insert(known, heard.wallMicros + (nowMs - heard.atMs) * 1000)
      }
    }
    return known
  }

  #heardLately(id: number, nowMs: number): Heard | undefined {
    const heard = this.#heard.get(id)
    return heard !== undefined && isRecent(heard, nowMs) ? heard : undefined
  }

  /** Whether a majority's clocks are known, so that time may be given out. */
  isSet(voters: readonly number[], self: number): boolean {
    const nowMs = this.#clock.monotonicMs()
    let known = 0
    for (const id of voters) if (id === self || this.#heardLately(id, nowMs) !== undefined) known++
    return known * 2 > voters.length
  }

  /**
   * The own clock against the middle of all known ones, us; of two, neither is known to be right. A follower hears its leader alone, which
   * tells the middle of those that it knows.
   */
  ownOffsetMicros(voters: readonly number[], self: number, leader: number): number {
    const told = this.#told
    const nowMs = this.#clock.monotonicMs()
    if (told !== undefined && leader !== self && told.leader === leader && isRecent(told, nowMs)) {
      return this.#clock.wallMicros() - told.wallMicros - (nowMs - told.atMs) * 1000
    }
    const known = this.#known(voters, self)
    if (known.length === 0) return 0
    return this.#clock.wallMicros() - (known[(known.length - 1) >> 1]! + known[known.length >> 1]!) / 2
  }

  /** A peer's wall clock against the own one, us; undefined if it was not heard of lately. */
  peerOffsetMicros(peer: number): number | undefined {
    const nowMs = this.#clock.monotonicMs()
    const heard = this.#heardLately(peer, nowMs)
    return heard && heard.wallMicros + (nowMs - heard.atMs) * 1000 - this.#clock.wallMicros()
  }

  /** The time of the next entry, us. Never falls. */
  next(voters: readonly number[], self: number): number {
    const nowMs = this.#clock.monotonicMs()
    const known = isMutant('own_clock_as_leader_time') ? [] : this.#known(voters, self)
    // Of an even number the lower middle: a clock that is ahead must not make keys expire early.
    const target = Math.round(known[(known.length - 1) >> 1] ?? this.#clock.wallMicros())
    if (target >= this.#lastMicros) this.#lastMicros = target
    else if (this.#lastAtMs !== undefined) {
      this.#lastMicros += Math.floor((nowMs - this.#lastAtMs) * 1000 * SLOW_RATE)
    }
    this.#lastAtMs = nowMs
    return this.#lastMicros
  }
}

function isRecent(heard: Heard, nowMs: number): boolean {
  return nowMs - heard.atMs <= HEARD_LIFETIME_MS
}

/** Into ascending order: voters are a handful. */
function insert(sorted: number[], value: number): void {
  let at = sorted.length
  sorted.push(value)
  for (; at > 0 && sorted[at - 1]! > value; at--) sorted[at] = sorted[at - 1]!
  sorted[at] = value
}
