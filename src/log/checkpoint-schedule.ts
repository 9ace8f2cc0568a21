import type { Clock, Timer, Timers } from '../platform/index.ts'

/** State that is made durable by checkpoints; `model`'s StateMachine is one. */
interface Checkpointed {
  readonly appliedSeq: number
  readonly newestCheckpointSeq: number
  checkpoint(syncedThrough: () => Promise<number>): Promise<{ seq: number }>
}

export interface CheckpointScheduleOptions {
  machine: Checkpointed
  clock: Clock
  timers: Timers
  /** Bytes of log after which a checkpoint is due. */
  logBytes: number
  /**
   * After how much of `logBytes` the first checkpoint since the start is due, from 0 to 1; asked until there is one. Members of a group, whose logs
   * grow alike, each have a share of their own, so that not all of them write their pages at the same time from then on.
   */
  firstShare?: () => number
  /** Age of the last checkpoint after which one is due, if anything has changed. */
  ageMs: number
  /** Makes the own log durable and says through which seq: a checkpoint must not be ahead of it. */
  syncedThrough: () => Promise<number>
  /** Lets go of log that is not needed any more. */
  letGo: () => Promise<void>
  /** A checkpoint failed: the storage is not to be trusted any more. */
  onFailed: (error: Error) => void
}

/** Takes checkpoints by log size and age, one at a time, and then lets go of log that neither superblock needs (DESIGN 5, 6). */
export class CheckpointSchedule {
  readonly #options: CheckpointScheduleOptions
  #bytes = 0
  #lastMs: number
  #running: Promise<number> | undefined
  /** What was applied when it began: so much of it holds at the least. */
  #runningFromSeq = 0
  #next: Promise<number> | undefined
  #isClosed = false
  /** Checkpoints that were taken, how long the last one took, ms, and when it ended on the monotonic clock. */
  count = 0
  lastDurationMs = 0
  #timer: Timer

  constructor(options: CheckpointScheduleOptions) {
    this.#options = options
    this.#lastMs = options.clock.monotonicMs()
    this.#timer = this.#arm()
  }

  #arm(): Timer {
    const tick = (): void => {
      if (this.#isClosed) return
      this.consider()
      this.#timer = this.#arm()
    }
    return this.#options.timers.after(Math.max(this.#options.ageMs / 4, 10), tick, { background: true })
  }

  /** Since the last checkpoint, or the start. */
  get ageMs(): number {
    return this.#options.clock.monotonicMs() - this.#lastMs
  }

  /** The log has grown. */
  noteBytes(bytes: number): void {
    this.#bytes += bytes
  }

  /** Starts a checkpoint if one is due. `nowMs`: the clock, if it has just been read. hot path (bench/embedded): called after every frame. */
  consider(nowMs?: number): void {
    const { machine, clock, ageMs } = this.#options
    if (this.#running !== undefined || this.#isClosed) return
    if (!this.#isMuch && (nowMs ?? clock.monotonicMs()) - this.#lastMs < ageMs) return
    if (machine.appliedSeq === machine.newestCheckpointSeq) return
    this.run().catch((error: unknown) => this.#options.onFailed(error as Error))
  }

  /** Whether the log has grown by as much as a checkpoint is due after. */
  get #isMuch(): boolean {
    const { logBytes, firstShare } = this.#options
    if (this.#bytes >= logBytes) return true
    return this.count === 0 && firstShare !== undefined && this.#bytes >= logBytes * firstShare()
  }

  /**
   * A checkpoint of all that is applied by now; answers its seq. One that is under way may have begun before some of it: then another is taken
   * after it, which all who ask meanwhile share.
   */
  run(): Promise<number> {
    const { appliedSeq } = this.#options.machine
    if (this.#running === undefined) return this.#start()
    if (this.#runningFromSeq >= appliedSeq) return this.#running
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined
        return this.#running ?? this.#start()
      })
    return this.#next
  }

  #start(): Promise<number> {
    this.#runningFromSeq = this.#options.machine.appliedSeq
    this.#running = this.#checkpoint().finally(() => (this.#running = undefined))
    return this.#running
  }

  async #checkpoint(): Promise<number> {
    const { machine, clock, syncedThrough, letGo } = this.#options
    this.#bytes = 0
    const startMs = clock.monotonicMs()
    const { seq } = await machine.checkpoint(syncedThrough)
    this.#lastMs = clock.monotonicMs()
    this.lastDurationMs = this.#lastMs - startMs
    this.count++
    await letGo()
    return seq
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer.cancel()
    await (this.#next ?? this.#running)?.catch(() => undefined)
  }
}
