import { markHardState } from './durability.ts'
import { isMutant } from './mutants.ts'
import { abandonReads } from './read-index.ts'
import { nextBetween } from './rng.ts'
import type { RaftState } from './state.ts'
import { NO_NODE, type NodeId, type Term } from './types.ts'

/** Starts a fresh random election timeout (E11). */
export function resetElectionTimer(state: RaftState): void {
  const { electionMinMs, electionMaxMs } = state.settings
  const handicapMs = state.isHandicapped ? electionMaxMs : 0
  state.electionDeadlineMs = state.nowMs + nextBetween(state.rng, electionMinMs, electionMaxMs) + handicapMs
}

/**
 * Follows: adopts a term if it is higher, forgets a leadership or candidacy, and remembers the leader if one is known.
 * The timer starts afresh only for a node that led or campaigned: a follower that hears of a higher term from somebody
 * it refuses keeps its own deadline, or two such nodes would starve each other (E13).
 */
export function becomeFollower(state: RaftState, term: Term, leader: NodeId): void {
  const wasFollower = state.role === 'follower'
  const isNewTerm = term > state.term
  if (isNewTerm) {
    state.term = term
    state.vote = NO_NODE
    markHardState(state, true)
  }
  if (state.role === 'leader') leaveLeadership(state)
  if (isNewTerm || leader !== state.leader) {
    if (state.role !== 'leader') abandonReads(state, 'leaderChanged')
    state.recoveryThroughSeq = null
    state.ack = { verifiedSeq: 0, ackedSeq: 0, streamId: 0, sentAtMs: 0, isOwed: false }
  }
  state.role = 'follower'
  state.leader = leader
  if (!wasFollower) resetElectionTimer(state)
}

/** T3: everything that belongs to a leadership ends with it. */
function leaveLeadership(state: RaftState): void {
  const leadership = state.leadership
  if (leadership === null) return
  if (state.transfer !== null) {
    state.effects.push({ type: 'transferEnded', to: state.transfer.to, refusal: null })
    if (!isMutant('transfer flag survives term')) state.transfer = null
  }
  if (leadership.changeTarget !== null) {
    const configuration = leadership.changeTarget
    state.effects.push({ type: 'configurationChange', refusal: 'leaderChanged', configuration })
  }
  abandonReads(state, 'leaderChanged')
  state.leadership = null
  // A former leader is bound by no lease of its own (E6).
  state.lastLeaderContactMs = Number.NEGATIVE_INFINITY
}
