import type { Database } from '../../../model/index.ts'
import type { SeededRandom } from '../../../platform/simulated/index.ts'
import type { Reference } from '../reference.ts'

/** What a program works with. */
export interface ProgramTools {
  readonly name: string
  readonly database: Database
  readonly random: SeededRandom
  /** What the group has done so far, to compare with what a program was told. */
  readonly reference: Reference
  /** Virtual time. */
  readonly delay: (ms: number) => Promise<void>
  /** Adds to what the run reports. */
  readonly count: (what: string) => void
}

/**
 * A program over the simulated database: it calls what an application calls, and knows what it may be told. `step` is called again and
 * again; a `QuorateError` that it throws is one that the application would meet, any other ends the run.
 */
export interface Program {
  step(): Promise<void>
  /** What can be said only when nothing is under way any more. Throws `Violation`. */
  judge?(): void
}
