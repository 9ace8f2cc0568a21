import { describeStart } from '../admin/index.ts'
import type { Timer, Timers } from '../platform/index.ts'
import type { NodeLogger } from './logger.ts'
import type { StartProgress } from './start-progress.ts'

const EVERY_MS = 10_000

/** Says in the log how far a start has come, every ten seconds for as long as it lasts: where one waits must be seen without asking it. */
export class StartLog {
  readonly #progress: StartProgress
  readonly #timers: Timers
  readonly #logger: Pick<NodeLogger, 'warn'>
  #timer: Timer | undefined

  constructor(progress: StartProgress, timers: Timers, logger: Pick<NodeLogger, 'warn'>) {
    this.#progress = progress
    this.#timers = timers
    this.#logger = logger
    this.#wait()
  }

  #wait(): void {
    this.#timer = this.#timers.after(EVERY_MS, () => this.#look(), { background: true })
  }

  #look(): void {
    const { reading, step } = this.#progress
    if (reading.phase === 'started') return
    this.#logger.warn({ ...reading, ...(step !== undefined && { step }) }, describeStart(reading))
    this.#wait()
  }

  close(): void {
    this.#timer?.cancel()
  }
}
