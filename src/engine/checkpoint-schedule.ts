import type { Clock, Timer, Timers } from '../platform/index.ts'
import type { EngineStateMachine } from './state-machine.ts'

export interface CheckpointScheduleOptions {
  machine: EngineStateMachine
  log: { readonly lastSeq: number; dropSegmentsBefore(seq: number): Promise<number> }
  clock: Clock
  timers: Timers
  /** Bytes of log after which a checkpoint is due. */
  logBytes: number
  /** Age of the last checkpoint after which one is due, if anything has changed. */
  ageMs: number
  /** Makes the own log durable: a checkpoint must not be ahead of it. */
  sync: () => void
}

/** Takes checkpoints by log size and age, one at a time, and then lets go of log that neither superblock needs (DESIGN 5, 6). */
export class CheckpointSchedule {
  readonly #options: CheckpointScheduleOptions
  #bytes = 0
  #lastMs: number
  #running: Promise<number> | undefined
  #isClosed = false
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

  /** The log has grown. */
  noteBytes(bytes: number): void {
    this.#bytes += bytes
  }

  /** Starts a checkpoint if one is due. */
  consider(): void {
    const { machine, clock, logBytes, ageMs } = this.#options
    if (this.#running !== undefined || this.#isClosed || machine.appliedSeq === machine.newestCheckpointSeq) return
    if (this.#bytes < logBytes && clock.monotonicMs() - this.#lastMs < ageMs) return
    this.run().catch(() => undefined) // the machine has latched its failure: the next apply reports it
  }

  /** Takes a checkpoint now, or joins the running one. Answers its seq. */
  run(): Promise<number> {
    this.#running ??= this.#checkpoint().finally(() => (this.#running = undefined))
    return this.#running
  }

  async #checkpoint(): Promise<number> {
    const { machine, log, clock, sync } = this.#options
    this.#bytes = 0
    const { seq } = await machine.checkpoint(() => {
      sync()
      return Promise.resolve(log.lastSeq)
    })
    this.#lastMs = clock.monotonicMs()
    await log.dropSegmentsBefore(machine.checkpointedSeq)
    return seq
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer.cancel()
    await this.#running?.catch(() => undefined)
  }
}
