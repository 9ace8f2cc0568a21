import type { Log } from '../log/index.ts'
import type { Clock, Timers } from '../platform/index.ts'
import type { Input, RaftCore } from './core/index.ts'
import { WakeTimer } from './wake-timer.ts'

export interface TurnsOptions {
  core: RaftCore
  log: Pick<Log, 'noteSynced' | 'tellSyncs'>
  clock: Clock
  /** What heartbeats tell of the time of day, us. */
  wallMicros: () => number
  timers: Timers
  /** A turn: takes what waits, steps the core, carries out its effects. */
  run: () => void
  /** The monotonic time at which a turn is due although nothing happens, as of now. */
  dueMs: () => number
  onFailed: (error: Error) => void
}

/** When a replica makes a turn: once for all that comes until the end of a turn of the loop, and in time for what falls due. */
export class Turns {
  readonly #options: TurnsOptions
  readonly #wake: WakeTimer
  #inputs: Input[] = []
  #isScheduled = false
  #isRunning = false
  #isStopped = false

  constructor(options: TurnsOptions) {
    this.#options = options
    const { clock, timers, dueMs } = options
    this.#wake = new WakeTimer(clock, timers, { dueMs, onDue: () => this.schedule() })
  }

  /** Takes an input for the next turn, or at once if that is all there is to it. */
  input(input: Input): void {
    if (this.#isStopped) return
    // What others answer decides at once if the own sync, of which nobody was told, has ended before.
    if (input.type !== 'persisted' && this.#isOneToCount(input)) this.#options.log.noteSynced()
    if (this.#isOneToCount(input)) return this.#count(input)
    this.#inputs.push(input)
    this.schedule()
  }

  #isOneToCount(input: Input): boolean {
    return !this.#isScheduled && !this.#isRunning && this.#options.core.isCountedOnly(input)
  }

  /** Most of what a leader hears of a write comes after the majority has decided, or before: no turn is made for it. */
  #count(input: Input): void {
    const { core, log, onFailed } = this.#options
    try {
      this.#tellTime()
      core.step(input)
      if (core.isTurnDue) this.schedule()
      else log.tellSyncs(core.isOwnSyncAwaited)
    } catch (error) {
      onFailed(error as Error)
    }
  }

  schedule(): void {
    if (this.#isScheduled || this.#isStopped) return
    this.#isScheduled = true
    this.#options.timers.endOfTurn(this.#endTurn)
  }

  /** One function for all turns: a closure in `schedule` would cost each of its calls, most of which find a turn scheduled. */
  readonly #endTurn = (): void => {
    if (!this.#isStopped) this.#options.log.noteSynced() // before: it belongs to this turn
    this.#isScheduled = false
    if (!this.#isStopped) this.#run()
  }

  #run(): void {
    this.#isRunning = true
    try {
      this.#options.run()
      if (this.#isStopped) return
      const { core, log, dueMs } = this.#options
      log.tellSyncs(core.isOwnSyncAwaited)
      this.#wake.arm(dueMs())
    } catch (error) {
      this.#options.onFailed(error as Error)
    } finally {
      this.#isRunning = false
    }
  }

  /** Tells the core the time, and then all that waits, in the order in which it came. Answers the monotonic time. */
  stepInputs(): number {
    const { core } = this.#options
    const nowMs = this.#tellTime()
    const inputs = this.#inputs
    this.#inputs = []
    for (const input of inputs) core.step(input)
    return nowMs
  }

  /** Answers the monotonic time. */
  #tellTime(): number {
    const { core, clock } = this.#options
    const nowMs = clock.monotonicMs()
    core.step({ type: 'clock', nowMs, wallMicros: this.#options.wallMicros() })
    return nowMs
  }

  stop(): void {
    this.#isStopped = true
    this.#wake.cancel()
  }
}
