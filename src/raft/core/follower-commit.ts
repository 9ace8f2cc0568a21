import { forgetOldConfigurations } from './membership.ts'
import type { RaftState } from './state.ts'
import type { Seq } from './types.ts'

/** Follows what the leader says is committed, capped at what is known to be the leader's (L3). */
export function advanceFollowerCommit(state: RaftState, leaderCommit: Seq, cap: Seq): void {
  const commit = Math.min(leaderCommit, cap)
  if (commit <= state.commit) return
  state.commit = commit
  forgetOldConfigurations(state)
}
