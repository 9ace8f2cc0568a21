import type { OpeningReading, StartPhase, StartReading } from '../admin/index.ts'
import type { OpeningStep } from './open-replica.ts'

/** How far the start of a node has come; told by those who do the work, read by the probes. */
export class StartProgress {
  #phase: StartPhase = 'check'
  #share = 0
  #step: OpeningStep | undefined
  #readReplay: (() => number) | undefined
  readonly #nowMs: () => number
  readonly #startedMs: number
  #opening: Omit<OpeningReading, 'replayMs'> = { ms: 0, seq: 0, committedSeq: 0 }

  /** `nowMs` is the monotonic clock; the start begins now. */
  constructor(nowMs: () => number = () => 0) {
    this.#nowMs = nowMs
    this.#startedMs = nowMs()
  }

  /** How long it took until log and pages were open, the state that the pages held, and what the log knew to be committed. */
  get opening(): Omit<OpeningReading, 'replayMs'> {
    return this.#opening
  }

  /** The work of a phase before the replay: 0 to 1. A phase never goes back. */
  report(phase: 'check' | 'open', share: number): void {
    if (phase !== this.#phase) this.#share = 0
    this.#phase = phase
    this.#share = Math.max(this.#share, Math.min(1, share))
  }

  /** The opening has come to `step`. */
  opens(step: OpeningStep): void {
    this.report('open', 0)
    this.#step = step
  }

  /** What the opening is busy with; undefined before and after it. */
  get step(): OpeningStep | undefined {
    return this.#phase === 'open' ? this.#step : undefined
  }

  /** From now on entries are applied: those after `fromSeq` through `toSeq` were known to be committed when the node was opened. */
  replay(fromSeq: number, toSeq: number, appliedSeq: () => number): void {
    this.#phase = 'replay'
    this.#opening = { ms: this.#nowMs() - this.#startedMs, seq: fromSeq, committedSeq: Math.max(fromSeq, toSeq) }
    this.#readReplay = () => (toSeq <= fromSeq ? 1 : (appliedSeq() - fromSeq) / (toSeq - fromSeq))
  }

  /** Once everything is applied the node has started, whatever comes later. */
  get reading(): StartReading {
    if (this.#readReplay !== undefined) {
      this.#share = Math.min(1, this.#readReplay())
      if (this.#share >= 1) {
        this.#phase = 'started'
        this.#readReplay = undefined
      }
    }
    return { phase: this.#phase, share: this.#share }
  }
}
