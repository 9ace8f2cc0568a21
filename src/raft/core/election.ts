import { isTermDurable, isVoteDurable, markHardState } from './durability.ts'
import { becomeLeader } from './leader.ts'
import { logEnd } from './log-view.ts'
import { isOwnVoter } from './membership.ts'
import type { PreVoteRequest, PreVoteResponse, VoteReason, VoteRequest, VoteResponse, VoterAnswer } from './message.ts'
import { isMutant } from './mutants.ts'
import { everyVoter, isVoter, tallyVotes } from './quorum.ts'
import { nextUint32 } from './rng.ts'
import { becomeFollower, resetElectionTimer } from './roles.ts'
import { activeConfiguration, send, type RaftState } from './state.ts'
import { isAtLeast, NO_NODE, type LogEnd, type NodeId } from './types.ts'

/** Elections: PreVote, votes, and the judgement of suspect voters (Raft thesis 3.4, 9.6; rules E1-E14; DESIGN 6). */

/** Why this node must not campaign now, or undefined. */
export function findCampaignObstacle(state: RaftState): string | undefined {
  if (activeConfiguration(state) === undefined) return 'unconfigured'
  if (state.storage.durableSeq < 1) return 'entry 1 is not synced' // bootstrap: nobody votes before it is
  // M4: one whose removal is not yet committed must campaign, too: it may hold the longest log (o#2091, cowsql#150).
  if (!state.configurations.some(each => isVoter(each.configuration, state.id))) return 'not a voter'
  if (state.recovery.kind === 'damaged') return 'damaged' // W6
  if (state.isFenced) return 'fenced'
  if (state.pendingInstall !== null && !isMutant('campaign during install')) return 'snapshot pending' // E9
  if (state.diskStallMs > state.settings.electionMaxMs) return 'disk stalled' // T6: it could not sync its vote
  return undefined
}

/** Runs the election timer of a node that does not lead. */
export function tickElection(state: RaftState): void {
  if (state.nowMs < state.electionDeadlineMs) return
  resetElectionTimer(state)
  if (findCampaignObstacle(state) === undefined) startPreVote(state)
  else if (state.role !== 'follower') becomeFollower(state, state.term, NO_NODE)
  else if (state.leader !== NO_NODE) becomeFollower(state, state.term, NO_NODE)
}

function resetCandidacy(state: RaftState, isTransfer: boolean): void {
  const candidacy = state.candidacy
  // E4: drawn, not counted, so that a restart does not repeat the name of an earlier candidacy.
  candidacy.campaignId = nextUint32(state.rng)
  candidacy.isTransfer = isTransfer
  candidacy.votes = new Map()
}

/** E5, E6: asks for votes without touching any term; forgets the leader, whose lease must not bind its own asker. */
export function startPreVote(state: RaftState): void {
  if (state.role === 'leader') throw new Error('a leader does not campaign') // invariant 20
  becomeFollower(state, state.term, NO_NODE)
  state.role = 'preCandidate'
  resetElectionTimer(state)
  resetCandidacy(state, false)
  const candidacy = state.candidacy
  candidacy.knownAtStart = new Map(candidacy.knownRecoveries)
  candidacy.suspects = new Set()
  const last = logEnd(state.log)
  candidacy.ends = new Map([[state.id, last]])
  if (state.recovery.kind === 'suspect') {
    candidacy.suspects.add(state.id)
    candidacy.knownAtStart.set(state.id, state.recoveryId)
  }
  candidacy.votes.set(state.id, true)
  state.effects.push({ type: 'event', event: { name: 'campaign', term: state.term, kind: 'preVote' } })
  for (const to of votersToAsk(state)) {
    send(state, 'now', {
      type: 'preVoteRequest',
      from: state.id,
      to,
      term: state.term,
      campaignTerm: state.term + 1,
      campaignId: candidacy.campaignId,
      last,
    })
  }
  decidePreVote(state)
}

function votersToAsk(state: RaftState): NodeId[] {
  const configuration = activeConfiguration(state)
  if (configuration === undefined) return []
  return configuration.members.map(member => member.id).filter(id => id !== state.id && isVoter(configuration, id))
}

/** Raises the term and votes for itself; the vote counts once it is synced (E3). */
export function startVote(state: RaftState, isTransfer: boolean): void {
  const candidacy = state.candidacy
  const answers: VoterAnswer[] = isTransfer || !isBestOfAll(state) ? [] : answersOf(state)
  becomeFollower(state, state.term + 1, NO_NODE)
  state.role = 'candidate'
  state.vote = state.id
  markHardState(state, true)
  resetElectionTimer(state)
  resetCandidacy(state, isTransfer)
  const kind = isTransfer ? 'transfer' : 'vote'
  state.effects.push({ type: 'event', event: { name: 'campaign', term: state.term, kind } })
  const last = logEnd(state.log)
  for (const to of votersToAsk(state)) {
    send(state, 'now', {
      type: 'voteRequest',
      from: state.id,
      to,
      term: state.term,
      campaignId: candidacy.campaignId,
      last,
      isTransfer: isTransfer && !isMutant('transfer campaign respects leases'),
      answers,
    })
  }
  if (isMutant('own vote counted before sync')) recordVote(state, state.id, true)
}

function answersOf(state: RaftState): VoterAnswer[] {
  const { ends, knownAtStart } = state.candidacy
  return [...ends].map(([voter, end]) => ({ voter, end, recoveryId: knownAtStart.get(voter) ?? 0 }))
}

/** A completed sync may have made the own vote count. */
export function onVoteSynced(state: RaftState): void {
  if (state.role !== 'candidate' || !isVoteDurable(state) || state.candidacy.votes.has(state.id)) return
  recordVote(state, state.id, true)
}

/** A voter heard a leader so recently that it refuses to help depose it; a sitting leader has its quorum (E5-E7). */
function isLeaseHeld(state: RaftState): boolean {
  if (state.role === 'leader') return true
  return state.nowMs < state.lastLeaderContactMs + state.settings.electionMinMs
}

/** R8: also where leases are not allowed as far as this node knows: its settings may be old. */
function isEmbargoed(state: RaftState): boolean {
  return state.nowMs < state.voteEmbargoUntilMs && !isMutant('no vote embargo after restart')
}

/** True if a vote request must be refused without even adopting its term. */
export function isVoteOutOfOrder(state: RaftState, message: VoteRequest): boolean {
  return !message.isTransfer && (isLeaseHeld(state) || isEmbargoed(state)) // T5
}

/** E2: term first, then seq. */
function isUpToDate(state: RaftState, last: LogEnd): boolean {
  const own = logEnd(state.log)
  if (isMutant('compare last seq before last term')) return last.seq >= own.seq
  return isAtLeast(last, own)
}

/** True if this node's configuration entry, or the snapshot that carries it, is on disk. */
function isConfigured(state: RaftState): boolean {
  return activeConfiguration(state) !== undefined && state.storage.durableSeq >= 1
}

function judgePreVote(state: RaftState, message: PreVoteRequest): VoteReason {
  if (!isConfigured(state)) return 'unconfigured'
  if (message.campaignTerm <= state.term) return 'term'
  if (isLeaseHeld(state)) return 'lease'
  if (isEmbargoed(state)) return 'embargo'
  if (isMutant('learner refuses to vote') && !isOwnVoter(state)) return 'voted'
  if (state.recovery.kind === 'damaged') return 'recovering'
  return isUpToDate(state, message.last) ? 'granted' : 'log'
}

/** Answers a pre-vote; changes nothing here, not even the election timer (E5, E7). */
export function onPreVoteRequest(state: RaftState, message: PreVoteRequest): void {
  const reason = judgePreVote(state, message)
  send(state, 'allSynced', {
    type: 'preVoteResponse',
    from: state.id,
    to: message.from,
    term: state.term,
    campaignTerm: message.campaignTerm,
    campaignId: message.campaignId,
    isGranted: reason === 'granted',
    reason,
    recoveryId: state.recoveryId,
    intactEnd: state.recovery.kind === 'damaged' ? null : logEnd(state.log),
  })
}

export function onPreVoteResponse(state: RaftState, message: PreVoteResponse): void {
  const candidacy = state.candidacy
  if (message.recoveryId !== 0) candidacy.knownRecoveries.set(message.from, message.recoveryId)
  else candidacy.knownRecoveries.delete(message.from)
  if (state.role !== 'preCandidate') return
  const isOurs = message.campaignId === candidacy.campaignId && message.campaignTerm === state.term + 1
  if (!isOurs && !isMutant('answer to another candidacy counted')) return // E4
  candidacy.votes.set(message.from, message.isGranted)
  if (message.intactEnd !== null) candidacy.ends.set(message.from, message.intactEnd)
  if (message.recoveryId !== 0) candidacy.suspects.add(message.from)
  decidePreVote(state)
}

/** True if every voter has answered and the own log is at least the highest intact end among them. */
function isBestOfAll(state: RaftState): boolean {
  const configuration = activeConfiguration(state)
  const ends = state.candidacy.ends
  const own = logEnd(state.log)
  if (configuration === undefined) return false
  return everyVoter(configuration, id => ends.has(id)) && [...ends.values()].every(end => isAtLeast(own, end))
}

function decidePreVote(state: RaftState): void {
  const configuration = activeConfiguration(state)
  if (configuration === undefined) return
  const { votes, suspects, knownAtStart } = state.candidacy
  const isBest = isBestOfAll(state)
  const result = tallyVotes(configuration, id => {
    const vote = votes.get(id)
    // A suspect voter will vote only for a candidate with answers from all, given after its recovery was known.
    const isConditional = suspects.has(id) && !isMutant('vote while suspect')
    if (vote === true && isConditional && !(isBest && knownAtStart.has(id))) return undefined
    return vote
  })
  if (result === 'won') startVote(state, false)
  else if (result === 'lost') becomeFollower(state, state.term, NO_NODE)
}

/**
 * DESIGN 6: what a suspect voter demands of a candidate: answers from all voters of the CANDIDATE's configuration (it
 * shows them only if they are complete; ours may be older), given after this recovery began, none with a longer log.
 */
function satisfiesSuspect(state: RaftState, message: VoteRequest): boolean {
  if (isMutant('vote while suspect')) return true
  const ownAnswer = message.answers.find(answer => answer.voter === state.id)
  if (ownAnswer === undefined || ownAnswer.recoveryId !== state.recoveryId) return false
  return message.answers.every(answer => isAtLeast(message.last, answer.end))
}

function judgeVote(state: RaftState, message: VoteRequest): VoteReason {
  if (!isConfigured(state)) return 'unconfigured'
  if (message.term < state.term) return 'term'
  const canVote = state.vote === message.from || (state.vote === NO_NODE && state.leader === NO_NODE)
  if (!canVote) return 'voted'
  // E8: a learner answers like a voter; it may be one that has not heard yet.
  if (isMutant('learner refuses to vote') && !isOwnVoter(state)) return 'voted'
  if (state.recovery.kind === 'damaged') return 'recovering'
  if (!isUpToDate(state, message.last)) return 'log'
  if (state.recovery.kind === 'suspect' && !satisfiesSuspect(state, message)) return 'recovering'
  return 'granted'
}

/** Decides on a vote request whose term has been adopted, and answers once the vote is synced (E1). */
export function onVoteRequest(state: RaftState, message: VoteRequest): void {
  const reason = isVoteOutOfOrder(state, message) ? 'lease' : judgeVote(state, message)
  const isGranted = reason === 'granted'
  if (isGranted) {
    if (state.vote !== message.from) {
      state.vote = message.from
      markHardState(state, false)
    }
    resetElectionTimer(state)
  } else {
    state.effects.push({ type: 'event', event: { name: 'voteRefused', candidate: message.from, reason } })
  }
  send(state, isMutant('skip vote sync') ? 'now' : 'allSynced', {
    type: 'voteResponse',
    from: state.id,
    to: message.from,
    term: state.term,
    campaignTerm: message.term,
    campaignId: message.campaignId,
    isGranted,
    reason,
  })
}

export function onVoteResponse(state: RaftState, message: VoteResponse): void {
  if (state.role !== 'candidate') return
  const isOurs = message.campaignId === state.candidacy.campaignId && message.campaignTerm === state.term
  if (!isOurs && !isMutant('answer to another candidacy counted')) return // E4
  recordVote(state, message.from, message.isGranted)
}

let duplicateVoteKey = -1

/** Tallies by voter id (E3). Wins only with the own vote synced, so that no life of this node can lead the term twice. */
function recordVote(state: RaftState, from: NodeId, isGranted: boolean): void {
  const configuration = activeConfiguration(state)
  if (configuration === undefined) return
  const votes = state.candidacy.votes
  if (isMutant('duplicate vote counted') && votes.get(from) === true && isGranted) {
    const extra = [...configuration.voters, ...configuration.outgoing].find(id => !votes.has(id))
    votes.set(extra ?? duplicateVoteKey--, true)
  }
  votes.set(from, isGranted)
  const result = tallyVotes(configuration, id => votes.get(id))
  const isOwnCounted = votes.get(state.id) === true
  if (result === 'won' && isOwnCounted && (isTermDurable(state) || isMutant('own vote counted before sync'))) {
    becomeLeader(state)
  } else if (result === 'lost') becomeFollower(state, state.term, NO_NODE)
}
