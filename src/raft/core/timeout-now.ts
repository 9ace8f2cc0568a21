import { findCampaignObstacle, startVote } from './election.ts'
import { logEnd } from './log-view.ts'
import type { TimeoutNow } from './message.ts'
import { isMutant } from './mutants.ts'
import type { RaftState } from './state.ts'

/** The leader asks this node to campaign at once; it checks again that it is fit and has everything (T2). */
export function onTimeoutNow(state: RaftState, message: TimeoutNow): void {
  if (state.role === 'leader' || findCampaignObstacle(state) !== undefined || state.recoveryId !== 0) return
  const own = logEnd(state.log)
  const hasAll = own.seq === message.last.seq && own.term === message.last.term && state.storage.durableSeq === own.seq
  if (!hasAll && !isMutant('timeout-now before match')) return
  startVote(state, true) // T5: no pre-vote
}
