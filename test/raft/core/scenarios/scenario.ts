import type { MutantName } from '../../../../src/raft/core/index.ts'

/**
 * A rule as a story with a few nodes. `run` throws if the rule is broken; with `mutant` switched on it must throw, or
 * the story would not notice the bug it is about.
 */
export interface Scenario {
  readonly rule: string
  readonly name: string
  readonly mutant?: MutantName
  readonly run: () => void
}
