import type { MutationResult, ReadSet } from '../encoding/index.ts'
import type { Token } from './consistency.ts'
import type { QuorateError } from './errors.ts'

/** What a transaction would do if it were applied to the state of `seq`. */
export interface PreflightResult {
  /** It would be committed. */
  isValid: boolean
  /** Why it would be refused. */
  error?: QuorateError
  /** As `CommitResult.results`. */
  results: readonly MutationResult[]
  /** Rows that it would change, referential actions included, of which the caller may hear. */
  rows: number
  /** Keys that it would change, of which the caller may hear: a deletion changes only what is there. */
  keys: number
  events: number
  seq: number
  token: Token
  /** The versions of what it would change, as far as the caller may read it: a commit with it is refused once one of them has changed. */
  readSet?: ReadSet
}
