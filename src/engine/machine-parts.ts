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
