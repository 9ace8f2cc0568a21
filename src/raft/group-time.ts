import { activeConfiguration } from './core/index.ts'
import type { RaftCore } from './core/index.ts'
import type { Log } from '../log/index.ts'
import type { StateMachine } from '../model/index.ts'
import type { Clock } from '../platform/index.ts'
import { lastLeaderTime } from './entries.ts'
import { CLOCK_OFFSET_ALARM_MICROS, LeaderClock } from './leader-clock.ts'

/** For so long an estimate of leader time stands. */
const ESTIMATE_MS = 1

export interface GroupTimeOptions {
  core: RaftCore
  log: Log
  machine: StateMachine
  clock: Clock
  /** Leader time of the last entry of the recovered log. */
  lastTimeMicros: number
}

/** Leader time as this node gives it out or estimates it, over the voters of the active configuration. */
export class GroupTime {
  readonly #options: GroupTimeOptions
  readonly #leaderClock: LeaderClock
  #estimatedMicros = 0
  #estimatedAtMs = Number.NEGATIVE_INFINITY

  constructor(options: GroupTimeOptions) {
    this.#options = options
    this.#leaderClock = new LeaderClock(options.clock)
    this.#leaderClock.noteEntry(options.lastTimeMicros)
  }

  #voters(): readonly number[] {
    return activeConfiguration(this.#options.core.state)?.voters ?? []
  }

  #self(): number {
    return this.#options.core.state.id
  }

  leadershipBegan(): void {
    this.#leaderClock.leadershipBegan()
  }

  /** Until offsets of a majority are known a leader appends only its no-op. */
  get isSet(): boolean {
    return this.#leaderClock.isSet(this.#voters(), this.#self())
  }

  /** How far a peer's clock is ahead of the own one, us; undefined if it was not heard of lately. */
  peerOffsetMicros(peer: number): number | undefined {
    return this.#leaderClock.peerOffsetMicros(peer)
  }

  /** The time of the next entry. */
  next(): number {
    return this.#leaderClock.next(this.#voters(), this.#self())
  }

  /** The time of the newest entry known: what a no-op is stamped with. */
  get last(): number {
    return this.#leaderClock.lastMicros
  }

  /** Something was applied. */
  noteApplied(): void {
    this.#leaderClock.noteEntry(this.#options.machine.leaderTimeMicros)
  }

  /** Time must not fall below that of the newest entry of the log, applied or not. */
  noteLastEntry(): void {
    const { log } = this.#options
    const last = log.lastSeq > log.base.seq ? log.readCached(log.lastSeq, 1) : undefined
    if (last !== undefined) this.#leaderClock.noteEntry(lastLeaderTime(last.bytes))
    this.noteApplied()
  }

  /** A heartbeat (no round trip) told what its leader goes by, or the answer to one a peer's wall clock. */
  notePeer(peer: number, wallMicros: number, roundTripMs: number | null): void {
    if (roundTripMs === null) this.#leaderClock.noteTold(peer, wallMicros)
    else this.#leaderClock.notePeer(peer, wallMicros, roundTripMs)
  }

  /** The own clock is so far off that this node should campaign last. */
  get isClockOff(): boolean {
    return Math.abs(this.ownOffsetMicros) > CLOCK_OFFSET_ALARM_MICROS
  }

  /** What peers are told: a leader tells the median of the voters' clocks as it knows them, anybody else the own clock, us. */
  get toldMicros(): number {
    const { core, clock } = this.#options
    return core.state.role === 'leader' ? this.#groupMicros : clock.wallMicros()
  }

  /** How far the own clock is ahead of the median of the voters' clocks; 0 while these are not known. */
  get ownOffsetMicros(): number {
    return this.#leaderClock.ownOffsetMicros(this.#voters(), this.#self(), this.#options.core.state.leader)
  }

  /** Leader time as far as a node can tell: for time limits of requests that wait here. Every answer carries it: made anew each ms. */
  get estimated(): number {
    return Math.max(this.#options.machine.leaderTimeMicros, this.#groupMicros)
  }

  get #groupMicros(): number {
    const { clock } = this.#options
    const nowMs = clock.monotonicMs()
    if (nowMs - this.#estimatedAtMs >= ESTIMATE_MS) {
      this.#estimatedAtMs = nowMs
      this.#estimatedMicros = Math.round(clock.wallMicros() - this.ownOffsetMicros)
    }
    return this.#estimatedMicros
  }
}
