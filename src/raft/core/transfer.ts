import type { Refusal } from './effect.ts'
import { logEnd } from './log-view.ts'
import { isMutant } from './mutants.ts'
import type { Progress } from './progress.ts'
import { isVoter } from './quorum.ts'
import { abandonReads } from './read-index.ts'
import { becomeFollower } from './roles.ts'
import { activeConfiguration, leadershipOf, send, type RaftState } from './state.ts'
import { NO_NODE, type NodeId } from './types.ts'

/** Handing leadership over (Raft thesis 3.10; rules T1-T5, M6, R6). */

/** The fittest voter to take over: most caught up, and not known to be ill. 0 if there is none. */
function chooseSuccessor(state: RaftState): NodeId {
  const configuration = activeConfiguration(state)
  if (configuration === undefined) return NO_NODE
  let best: Progress | undefined
  for (const progress of leadershipOf(state).progress.values()) {
    if (!configuration.voters.includes(progress.id) || progress.isUnfitToLead) continue
    if (state.nowMs - progress.lastActiveMs > state.settings.electionMinMs) continue
    if (best === undefined || progress.match > best.match) best = progress
  }
  return best?.id ?? NO_NODE
}

/** Begins a hand-over to `to`, or to the fittest voter if it is 0. */
export function startTransfer(state: RaftState, to: NodeId): void {
  const target = to === NO_NODE && state.role === 'leader' ? chooseSuccessor(state) : to
  const refusal = findTransferObstacle(state, target)
  if (refusal !== undefined) {
    state.effects.push({ type: 'transferEnded', to: target, refusal })
    return
  }
  // T3: bounded by one election timeout.
  const deadlineMs = state.nowMs + state.settings.electionMaxMs
  state.transfer = { to: target, deadlineMs, isTimeoutNowSent: false }
  abandonReads(state, 'transferring') // R5
  continueTransfer(state)
}

function findTransferObstacle(state: RaftState, to: NodeId): Refusal | undefined {
  const configuration = activeConfiguration(state)
  if (state.role !== 'leader' || configuration === undefined) return 'notLeader'
  if (state.transfer !== null) return 'transferring'
  if (to === state.id || !leadershipOf(state).progress.has(to)) return 'unknownMember' // T4
  if (!isVoter(configuration, to)) return 'notVoter'
  return undefined
}

/** T2: sends TimeoutNow once the target has synced the whole log. Call after its match grew. */
export function continueTransfer(state: RaftState): void {
  const transfer = state.transfer
  if (transfer === null || transfer.isTimeoutNowSent || state.leadership === null) return
  const progress = state.leadership.progress.get(transfer.to)
  if (progress === undefined || state.leadership.wanted.length > 0) return
  if (progress.match !== state.log.lastSeq && !isMutant('timeout-now before match')) return
  transfer.isTimeoutNowSent = true
  state.leadership.isLeaseBarred = true // R6: for the rest of the term, also if the transfer is given up
  sendTimeoutNow(state, transfer.to)
}

function sendTimeoutNow(state: RaftState, to: NodeId): void {
  const last = logEnd(state.log)
  send(state, 'now', { type: 'timeoutNow', from: state.id, to, term: state.term, last })
}

/** Hands over because this node must not lead any longer (M6, fenced); without a successor it just goes. */
export function leaveOffice(state: RaftState): void {
  if (state.transfer === null) startTransfer(state, NO_NODE)
  if (state.transfer === null) becomeFollower(state, state.term, NO_NODE)
}

/** T3: gives a transfer up after one election timeout; whoever must not lead goes all the same. */
export function tickTransfer(state: RaftState): void {
  if (state.transfer === null || state.nowMs < state.transfer.deadlineMs) return
  if (isMutant('transfer flag survives term')) return
  endTransfer(state, 'timedOut')
  const configuration = activeConfiguration(state)
  const isMember = configuration !== undefined && isVoter(configuration, state.id)
  if (!isMember || state.isFenced) becomeFollower(state, state.term, NO_NODE)
}

export function endTransfer(state: RaftState, refusal: Refusal): void {
  if (state.transfer === null) return
  state.effects.push({ type: 'transferEnded', to: state.transfer.to, refusal })
  state.transfer = null
}

/** T7: the disk failed; a voter that has everything may campaign without waiting for our silence. */
export function resignForDisk(state: RaftState): void {
  if (state.leadership === null) return
  const to = chooseSuccessor(state)
  if (to !== NO_NODE && state.leadership.progress.get(to)?.match === state.log.lastSeq) sendTimeoutNow(state, to)
}
