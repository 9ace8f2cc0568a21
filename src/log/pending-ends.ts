import type { Clock } from '../platform/index.ts'
import type { Lane } from './lane.ts'
import type { LogStats } from './log-stats.ts'
import type { LogPosition } from './positions.ts'

/** Ends of frames that are not known to be synced, in order, and the newest one that is. */
export class PendingEnds {
  readonly #clock: Clock | undefined
  readonly #stats: LogStats
  /** ioSeq, segment, offset, ms of the append, four numbers each, from `#at` on. */
  #ends: number[] = []
  #at = 0
  /** Behind the last frame that is known to be synced. */
  synced: LogPosition

  /** The clock is only for figures. */
  constructor(synced: LogPosition, stats: LogStats, clock: Clock | undefined) {
    this.synced = synced
    this.#stats = stats
    this.#clock = clock
  }

  /** A frame ends there. */
  add(ioSeq: number, segment: number, offset: number): void {
    this.#ends.push(ioSeq, segment, offset, this.#clock?.monotonicMs() ?? 0)
  }

  /** Everything up to `completed` is synced. */
  advance(completed: number, lane: Lane): void {
    const ends = this.#ends
    let at = this.#at
    if (at >= ends.length || ends[at]! > completed) return
    for (; at < ends.length && ends[at]! <= completed; at += 4) this.#note(ends[at]!, ends[at + 3]!, lane)
    this.synced = { segment: ends[at - 3]!, offset: ends[at - 2]! }
    this.#at = at
    if (at < 1024 && at < ends.length) return
    this.#ends = ends.slice(at)
    this.#at = 0
  }

  #note(ioSeq: number, sinceMs: number, lane: Lane): void {
    if (this.#clock === undefined) return
    this.#stats.onSynced(Math.max(0, (lane.syncedAtMs(ioSeq) ?? this.#clock.monotonicMs()) - sinceMs))
  }
}
