import { encodeTick, EntryKind } from '../encoding/index.ts'
import { CheckpointSchedule, IdleMarker } from '../log/index.ts'
import type { Log } from '../log/index.ts'
import type { StateMachine } from '../model/index.ts'
import type { Clock, Timers } from '../platform/index.ts'
import type { RaftCore } from './core/index.ts'
import { LAG_LOG_BYTES } from './options.ts'
import { isMutant } from './mutants.ts'
import type { Proposer } from './proposer.ts'

export interface MaintenanceOptions {
  machine: StateMachine
  log: Log
  clock: Clock
  timers: Timers
  checkpointLogBytes: number
  checkpointAgeMs: number
  lagLogBytes: number | undefined
  onFailed: (error: Error) => void
  /** Entries at or below this seq were dropped. */
  onCompacted: (seq: number) => void
  /** Which of the group's members this one is, from 0, and how many there are. */
  place: () => { rank: number; count: number }
  /** Lowest seq that a voter is known to lack; the log is kept for it within a bound. */
  neededFrom: () => number
}

const WATCH_PROGRESS_MS = 3_000

/** Keeps entries of the log for somebody, within the bound that peers have, too. */
export interface LogHold {
  release(): void
}

/** What a replica does beside requests: checkpoints, letting go of log, marks, ticks of leader time, progress of watches. */
export class Maintenance {
  readonly #options: MaintenanceOptions
  readonly #checkpoints: CheckpointSchedule
  readonly #marker: IdleMarker
  #lastProgressMs: number
  /** The newest tick, until it is applied: while apply lags behind, more of them would only add to it. Infinite = not appended yet. */
  #tickSeq = 0
  /** Bytes of log since the beginning, and by seq where checkpoints were taken: the bound of what is kept for laggards. */
  #bytes = 0
  readonly #marks: { seq: number; bytes: number }[] = []
  /** Entries after these seqs are held. */
  readonly #held: Set<{ readonly afterSeq: number }> = new Set()

  constructor(options: MaintenanceOptions) {
    this.#options = options
    const { machine, log, clock, timers, checkpointLogBytes, checkpointAgeMs, place } = options
    this.#lastProgressMs = clock.monotonicMs()
    this.#marker = new IdleMarker(log, timers)
    this.#checkpoints = new CheckpointSchedule({
      machine,
      clock,
      timers,
      logBytes: checkpointLogBytes,
      ageMs: checkpointAgeMs,
      firstShare: () => {
        const { rank, count } = place()
        return (rank + 1) / count
      },
      syncedThrough: async () => {
        await log.whenSynced(log.ioSeq)
        return log.lastSeq
      },
      letGo: () => this.#letGo(),
      onFailed: options.onFailed,
    })
  }

  appended(bytes: number): void {
    this.#bytes += bytes
    this.#checkpoints.noteBytes(bytes)
    this.#marker.noteAppend()
  }

  applied(): void {
    this.#checkpoints.consider()
  }

  /** For metrics. */
  get checkpoints(): { count: number; ageMs: number; lastDurationMs: number } {
    return this.#checkpoints
  }

  checkpoint(): Promise<number> {
    return this.#checkpoints.run()
  }

  /** From now on the log keeps what it has, for a backup: it reads it when the state is written. */
  holdLog(): LogHold {
    const held = { afterSeq: this.#options.log.base.seq }
    this.#held.add(held)
    return { release: () => void this.#held.delete(held) }
  }

  /** Drops log that neither superblock needs, and that no peer or backup needs within the bound (DESIGN 6). */
  async #letGo(): Promise<void> {
    const { machine, log, neededFrom, onCompacted, lagLogBytes = LAG_LOG_BYTES } = this.#options
    const recoveryNeeds = machine.checkpointedSeq
    this.#marks.push({ seq: recoveryNeeds, bytes: this.#bytes })
    while (this.#marks.length > 1 && this.#bytes - this.#marks[0]!.bytes > lagLogBytes) this.#marks.shift()
    const bound = this.#bytes > lagLogBytes ? this.#marks[0]!.seq : 0
    const held = Array.from(this.#held, ({ afterSeq }) => afterSeq)
    const keepFrom = Math.min(recoveryNeeds, Math.max(bound, Math.min(neededFrom(), ...held)))
    await log.dropSegmentsBefore(keepFrom + 1)
    onCompacted(log.base.seq)
  }

  /** Once a turn on the leader: while something is due to expire, ticks are proposed, one at a time. */
  tick(core: RaftCore, proposer: Proposer, leaderTimeMicros: number): void {
    const next = this.#options.machine.nextExpiryMicros()
    if (
      next === undefined ||
      next > leaderTimeMicros ||
      this.#tickSeq > this.#options.machine.appliedSeq ||
      core.state.role !== 'leader' ||
      isMutant('no_ticks')
    )
      return
    this.#tickSeq = Number.POSITIVE_INFINITY
    proposer.propose({
      kind: EntryKind.tick,
      payload: encodeTick(this.#options.machine.settings.tickKeysMax),
      appended: seq => (this.#tickSeq = seq),
      refused: () => (this.#tickSeq = 0),
    })
  }

  roleChanged(): void {
    this.#tickSeq = 0
  }

  turn(): void {
    const now = this.#options.clock.monotonicMs()
    if (now - this.#lastProgressMs < WATCH_PROGRESS_MS) return
    this.#lastProgressMs = now
    this.#options.machine.watchProgress()
  }

  async close(): Promise<void> {
    this.#marker.stop()
    await this.#checkpoints.close()
  }
}
