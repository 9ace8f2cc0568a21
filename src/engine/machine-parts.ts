import { QuorateError } from '../model/index.ts'
import type { AlterValue } from './keyspace-store.ts'
import type { Slice } from './slice.ts'

/** What tests change. */
export interface StateMachineTuning {
  /** Seqs between recorded digests, `DIGEST_INTERVAL` if not given; the same on all nodes. */
  digestInterval?: number
  alterValue?: AlterValue
}

/** What a state machine is given by its process. */
export interface Surroundings {
  /** For work beside apply that takes long. */
  readonly newSlice: () => Slice
  /** What cursors of queries are signed with, beside the history id: the same on all nodes. */
  readonly cursorSecret: Uint8Array
  /** What all that it holds in memory may take. */
  readonly budgetBytes: number
}

/** Where a state machine begins: what its keyspace's root says of itself. */
export interface Origin {
  seq: number
  term: number
  entryChain: number
  effectChain: number
  leaderTimeMicros: number
  membership: Uint8Array
  digests: Uint8Array
}

/** Until the first configuration was applied. */
export const NO_HISTORY: string = '0'.repeat(32)

export function unavailableSeq(seq: number, oldestSeq: number, newestSeq: number): QuorateError {
  return new QuorateError('seq_unavailable', `seq ${seq} cannot be read`, { detail: { oldestSeq, newestSeq } })
}
