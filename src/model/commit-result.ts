import type { MutationResult } from '../encoding/index.ts'
import type { Token } from './consistency.ts'

export interface CommitResult {
  /** Seq of the entry that applied it: of a repeated request, the first one's. */
  seq: number
  token: Token
  /** One per mutation, in order; empty when none of them answers anything. */
  results: readonly MutationResult[]
  /**
   * It had been applied before, at `seq`, and was not applied again: by an earlier request under the same idempotency key, or by an earlier
   * sending of this very request, whose answer was lost on the way.
   */
  isDuplicate: boolean
  /**
   * No loss of power takes it away: synced, in a cluster by a majority. False only from an embedded engine with durability `batch` or
   * `os` that has not synced it yet.
   */
  isDurable: boolean
}
