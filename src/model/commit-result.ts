import type { MutationResult } from '../encoding/index.ts'
import type { Token } from './consistency.ts'

export interface CommitResult {
  /** Seq of the entry that applied it. */
  seq: number
  token: Token
  /** One per mutation, in order; empty when none of them answers anything. */
  results: readonly MutationResult[]
}
