import type { Refusal } from './effect.ts'
import { advanceFollowerCommit } from './follower-commit.ts'
import type { ReadIndexRequest, ReadIndexResponse } from './message.ts'
import { isMutant } from './mutants.ts'
import { quorumValue } from './quorum.ts'
import { activeConfiguration, failRead, send, type PendingRead, type RaftState, type ReadRound } from './state.ts'
import { NO_NODE } from './types.ts'

/**
 * Linearizable reads without a log entry (Raft thesis 6.4; rules R1-R8). A leader proves with a round of heartbeats
 * that it still leads, and answers with the commit index it had when the round began. One round runs at a time; reads
 * that arrive meanwhile share the next one, so the cost is a round trip however many they are.
 */

/** A follower asks again this often before it gives up. */
const MAX_ASKS = 3

/** Takes a read of this node's driver. */
export function onRead(state: RaftState, ctx: unknown, mode: 'index' | 'lease'): void {
  const reads = state.reads
  if (state.role !== 'leader') {
    if (state.leader === NO_NODE) failRead(state, ctx, 'noLeader')
    else if (reads.unsent.length + reads.asked.size >= state.settings.maxPendingReads) failRead(state, ctx, 'busy')
    else reads.unsent.push(ctx)
    return
  }
  // R5: a leader on its way out does not keep leases and clients to itself.
  const isGateOpen = state.transfer === null || (mode === 'lease' && isMutant('lease through transfer'))
  if (!isGateOpen) failRead(state, ctx, 'transferring')
  else if (mode === 'lease' && isLeaseValid(state)) {
    state.effects.push({ type: 'readReady', ctx, seq: state.commit })
  } else enqueueRead(state, { kind: 'local', ctx })
}

function enqueueRead(state: RaftState, read: PendingRead): void {
  if (state.reads.queue.length >= state.settings.maxPendingReads) refuseRead(state, read, 'busy')
  else if (isMutant('read joins the running round') && state.reads.round !== null) state.reads.round.reads.push(read)
  else state.reads.queue.push(read)
}

function refuseRead(state: RaftState, read: PendingRead, reason: Refusal): void {
  if (read.kind === 'local') failRead(state, read.ctx, reason)
  else answerReader(state, read.from, read.reqId, null)
}

function answerReader(state: RaftState, to: number, reqId: number, readSeq: number | null): void {
  const progress = state.leadership?.progress.get(to)
  // What the peer is known to have it may apply on the answer's word; of the rest it must hear.
  if (progress !== undefined && readSeq !== null && progress.match < readSeq) {
    progress.awaitedSeq = Math.max(progress.awaitedSeq, readSeq)
  }
  send(state, 'now', { type: 'readIndexResponse', from: state.id, to, term: state.term, reqId, readSeq })
}

/** A follower asks the leader for all reads it queued this turn, under an id that no other attempt ever has (R2, L16). */
export function askLeader(state: RaftState): void {
  const reads = state.reads
  if (state.role === 'leader') {
    // This node won while they waited: they are reads of the leader now.
    if (reads.unsent.length > 0) for (const ctx of reads.unsent.splice(0)) enqueueRead(state, { kind: 'local', ctx })
    return
  }
  if (reads.unsent.length > 0) ask(state, reads.unsent.splice(0), 1)
}

function ask(state: RaftState, ctxs: unknown[], attempt: number): void {
  const reqId = state.reads.nextReqId++
  state.reads.asked.set(reqId, { ctxs, askedAtMs: state.nowMs, attempt })
  send(state, 'now', { type: 'readIndexRequest', from: state.id, to: state.leader, term: state.term, reqId })
}

/** Asks again for reads whose answer is overdue; gives up with an error, never with an answer (R4). */
export function retryAsks(state: RaftState): void {
  for (const [reqId, asked] of state.reads.asked) {
    if (state.nowMs - asked.askedAtMs < state.settings.electionMinMs) continue
    state.reads.asked.delete(reqId)
    if (asked.attempt >= MAX_ASKS) for (const ctx of asked.ctxs) failRead(state, ctx, 'timedOut')
    else ask(state, asked.ctxs, asked.attempt + 1)
  }
}

export function onReadIndexRequest(state: RaftState, message: ReadIndexRequest): void {
  if (state.role !== 'leader' || state.transfer !== null) answerReader(state, message.from, message.reqId, null)
  else enqueueRead(state, { kind: 'asked', from: message.from, reqId: message.reqId })
}

export function onReadIndexResponse(state: RaftState, message: ReadIndexResponse): void {
  const asked = state.reads.asked.get(message.reqId)
  if (asked === undefined) return // a duplicate, or an attempt given up
  state.reads.asked.delete(message.reqId)
  // The answer is the leader's word, in this term, that readSeq is committed (L3: as far as the log is known to be the leader's).
  if (message.readSeq !== null && message.term === state.term && message.from === state.leader) {
    advanceFollowerCommit(state, message.readSeq, state.ack.verifiedSeq)
  }
  // Taken out: the map may keep what it has let go of for a while.
  for (const ctx of asked.ctxs.splice(0)) {
    if (message.readSeq === null) failRead(state, ctx, 'leaderChanged')
    else state.effects.push({ type: 'readReady', ctx, seq: message.readSeq })
  }
}

/** R1: until an entry of its own term is committed, a leader does not know what is committed. */
export function hasCommittedInTerm(state: RaftState): boolean {
  return (
    state.leadership !== null &&
    state.commit >= state.leadership.termStartSeq &&
    state.leadership.wanted.every(entry => entry.kind !== 'noop')
  )
}

/**
 * Starts a round if reads wait and none runs. The caller sends the heartbeats afterwards, so that each of them leaves
 * after every read of the round arrived (R3).
 */
export function startRound(state: RaftState): void {
  const reads = state.reads
  if (reads.round !== null || reads.queue.length === 0) return
  if (!hasCommittedInTerm(state) && !isMutant('read before own-term commit')) return
  // R2: the number is the leader's own, never something a client chose or may repeat.
  if (!isMutant('client id as read context') || reads.seq === 0) reads.seq++
  reads.round = {
    seq: reads.seq,
    index: state.commit,
    reads: reads.queue,
    startedAtMs: state.nowMs,
    isWide: !isNarrowEnough(state),
  }
  reads.queue = []
  reads.isRoundToAnnounce = true
  finishRound(state)
}

/**
 * Whether those who confirmed the last round are a quorum together with this leader: then they alone are asked, for every frame to a peer
 * wakes a process. While a configuration is joint everybody is.
 */
function isNarrowEnough(state: RaftState): boolean {
  const configuration = activeConfiguration(state)
  const confirmers = state.leadership?.confirmers ?? []
  if (configuration === undefined || configuration.outgoing.length > 0) return false
  const count = configuration.voters.filter(id => id === state.id || confirmers.includes(id)).length
  return count * 2 > configuration.voters.length
}

/** A round that those who were asked do not confirm in time is put to everybody. */
export function widenRound(state: RaftState): void {
  const { round } = state.reads
  if (round === null || state.nowMs < widenAtMs(round, state.settings.readWidenMs)) return
  round.isWide = true
  state.reads.isRoundToAnnounce = true
}

/** When the running round is put to everybody; infinite if it was, or there is none. */
export function widenAtMs(round: ReadRound | null, readWidenMs: number): number {
  return round === null || round.isWide ? Number.POSITIVE_INFINITY : round.startedAtMs + readWidenMs
}

/** Answers the running round once a quorum has confirmed it, and starts the next. */
export function finishRound(state: RaftState): void {
  const round = state.reads.round
  const configuration = activeConfiguration(state)
  if (round === null || state.leadership === null || configuration === undefined) return
  const progress = state.leadership.progress
  const confirmed = quorumValue(configuration, id => (id === state.id ? round.seq : (progress.get(id)?.readSeq ?? 0)))
  if (confirmed < round.seq) return
  state.reads.round = null
  if (round.isWide) {
    const { voters } = configuration
    state.leadership.confirmers = voters.filter(id => (progress.get(id)?.readSeq ?? 0) >= round.seq)
  }
  for (const read of round.reads) {
    if (read.kind === 'local') state.effects.push({ type: 'readReady', ctx: read.ctx, seq: round.index })
    else answerReader(state, read.from, read.reqId, round.index)
  }
}

/** R3: reads die with the leadership or leader that was to answer them, and their callers hear of it. */
export function abandonReads(state: RaftState, reason: Refusal): void {
  if (reason === 'leaderChanged' && isMutant('read queue survives the term')) return
  const reads = state.reads
  const waiting = [...(reads.round?.reads ?? []), ...reads.queue]
  reads.round = null
  reads.queue = []
  reads.isRoundToAnnounce = false
  for (const read of waiting) refuseRead(state, read, reason)
  for (const ctx of reads.unsent.splice(0)) failRead(state, ctx, reason)
  for (const asked of reads.asked.values()) for (const ctx of asked.ctxs) failRead(state, ctx, reason)
  reads.asked.clear()
}

/**
 * R7: the lease runs from the SEND time, on the leader's own monotonic clock, of a message that a quorum has answered.
 * Voters refuse votes for electionMinMs after receiving it, whatever that is at each of them, and for leaseMs after a restart; so it ends
 * leaseMs later, which is the least of these, less the clocks' drift.
 */
export function isLeaseValid(state: RaftState): boolean {
  const leadership = state.leadership
  const configuration = activeConfiguration(state)
  if (!state.settings.isLeaseAllowed || leadership === null || configuration === undefined) return false
  if (!hasCommittedInTerm(state)) return false
  if ((leadership.isLeaseBarred || state.transfer !== null) && !isMutant('lease through transfer')) return false
  return state.nowMs < leaseEndMs(state)!
}

/**
 * Until when, on the monotonic clock, no other leader can have been elected, by what a quorum has answered (R7): the end of the lease, whether or
 * not reads may go by it. Undefined on any member but a leader.
 */
export function leaseEndMs(state: RaftState): number | undefined {
  const leadership = state.leadership
  const configuration = activeConfiguration(state)
  if (leadership === null || configuration === undefined) return undefined
  const sentAtMs = quorumValue(configuration, id => {
    if (id === state.id) return state.nowMs
    const progress = leadership.progress.get(id)
    if (progress === undefined) return Number.NEGATIVE_INFINITY
    return isMutant('tick-based lease') ? progress.lastActiveMs : progress.ackedSentAtMs
  })
  return sentAtMs + state.settings.leaseMs * (1 - state.settings.clockDriftBound)
}
