import { QuorateError } from '../model/index.ts'
import type { Clock, Timers } from '../platform/index.ts'
import { waitAtMost } from '../platform/index.ts'

export interface LocalReadOptions {
  readonly clock: Clock
  readonly timers: Timers
  /** Reads something of the local state, from its root down. */
  readonly read: () => Promise<unknown>
}

/** An answer is good for this long, however many ask. */
const FRESH_MS = 1_000
/** Probes give up after a few seconds: they are told before. */
export const LOCAL_READ_MS_MAX = 1_000

/** Whether the local state can be read: tried when somebody asks, at most once a second, one read at a time. */
export class LocalRead {
  readonly #options: LocalReadOptions
  #last: { readonly endedAtMs: number; readonly failure: string | undefined } | undefined
  #underWay: { readonly startedAtMs: number; readonly ended: Promise<void> } | undefined

  constructor(options: LocalReadOptions) {
    this.#options = options
  }

  /** @returns why the state cannot be read, within the bound; undefined if it can */
  async findFailure(): Promise<string | undefined> {
    const { clock, timers } = this.#options
    const nowMs = clock.monotonicMs()
    if (this.#underWay === undefined) {
      if (this.#last !== undefined && nowMs - this.#last.endedAtMs < FRESH_MS) return this.#last.failure
      this.#underWay = { startedAtMs: nowMs, ended: this.#run() }
    }
    const underWay = this.#underWay
    // Whoever asks while a read hangs is told at once.
    const leftMs = Math.max(0, underWay.startedAtMs + LOCAL_READ_MS_MAX - nowMs)
    await waitAtMost(timers, leftMs, underWay.ended)
    if (this.#underWay === underWay) return `a read takes more than ${LOCAL_READ_MS_MAX} ms`
    return this.#last?.failure
  }

  async #run(): Promise<void> {
    const failure = await this.#tryRead()
    this.#last = { endedAtMs: this.#options.clock.monotonicMs(), failure }
    this.#underWay = undefined
  }

  async #tryRead(): Promise<string | undefined> {
    try {
      await this.#options.read()
      return undefined
    } catch (error) {
      return `a read failed: ${error instanceof QuorateError ? error.code : 'internal'}`
    }
  }
}
