import { appendEntries, truncateEntries } from './durability.ts'
import { stopWith } from './fatal.ts'
import { advanceFollowerCommit } from './follower-commit.ts'
import { batchChainAt, chainAt, findAgreementGuess, findConflict, logEnd, termAt } from './log-view.ts'
import { pushConfigurations, rollBackConfigurations } from './membership.ts'
import type { AppendRequest, HeartbeatRequest, RecoveryMark } from './message.ts'
import { isMutant } from './mutants.ts'
import { becomeFollower, resetElectionTimer } from './roles.ts'
import { send, type RaftState } from './state.ts'
import { NO_NODE, type EntryBatch, type LogEnd, type NodeId, type Seq, type Term } from './types.ts'
import { findCampaignObstacle } from './election.ts'

/** A follower's side of replication (Raft thesis 3.5; rules L1-L6, L13, E14). */

/** A message of the current leader arrived: even one that is refused proves that it lives (E14). */
export function noteLeaderContact(state: RaftState): void {
  state.lastLeaderContactMs = state.nowMs
  resetElectionTimer(state)
}

/** Takes AppendEntries of the current term's leader. */
export function onAppendRequest(state: RaftState, message: AppendRequest): void {
  noteLeaderContact(state)
  if (message.commit > state.heardCommit) state.heardCommit = message.commit
  const log = state.log
  let fromSeq = message.prevSeq + 1
  if (message.prevSeq < state.commit && !isMutant('prev below commit is a conflict')) {
    // L5: what lies at or below our commit agrees by the leader's completeness; look at the rest alone.
    if (!agreesAtCommit(state, message)) return
    fromSeq = state.commit + 1
  } else {
    const term = termAt(log, message.prevSeq)
    if (term !== message.prevTerm) {
      if (message.prevSeq <= state.commit && term !== undefined && !isMutant('conflict below commit repaired')) {
        const detail = `the leader's entry ${message.prevSeq} has term ${message.prevTerm}, the committed one ${term}`
        return stopWith(state, 'conflictBelowCommit', message.prevSeq, detail) // L2
      }
      return reject(state, message)
    }
    const chain = chainAt(log, message.prevSeq)
    if (chain !== message.prevChain) return stopOnChain(state, message.prevSeq, chain, message.prevChain)
  }
  const batch = message.entries
  if (batch !== null && batch.lastSeq >= fromSeq && !takeEntries(state, message.from, batch, fromSeq)) return
  const verified = Math.max(message.prevSeq, batch?.lastSeq ?? 0, Math.min(state.commit, fromSeq - 1))
  accept(state, message, verified)
}

/** L5 with the entry chain: a batch that spans our commit index must have our entry there. */
function agreesAtCommit(state: RaftState, message: AppendRequest): boolean {
  const batch = message.entries
  if (batch === null || batch.firstSeq > state.commit || batch.lastSeq < state.commit) return true
  const ours = chainAt(state.log, state.commit)
  const theirs = batchChainAt(batch, state.commit)
  if (ours === undefined || ours === theirs) return true
  stopOnChain(state, state.commit, ours, theirs)
  return false
}

function stopOnChain(state: RaftState, seq: Seq, ours: number | undefined, theirs: number): void {
  stopWith(state, 'chainMismatch', seq, `entry chain at ${seq} is ${ours}, the leader's is ${theirs}`)
}

/** Appends what is new, truncating only from the first entry that conflicts (L1). False if it stopped or refused. */
function takeEntries(state: RaftState, from: NodeId, batch: EntryBatch, fromSeq: Seq): boolean {
  if (!isOwnHistory(state, batch)) {
    state.effects.push({ type: 'event', event: { name: 'foreignConfiguration', from } })
    return false
  }
  const log = state.log
  const conflict = isMutant('truncate on any append')
    ? fromSeq <= log.lastSeq
      ? fromSeq
      : undefined
    : findConflict(log, batch, fromSeq)
  if (conflict !== undefined) {
    if (conflict <= state.commit && !isMutant('conflict below commit repaired')) {
      stopWith(state, 'conflictBelowCommit', conflict, `the leader's entry ${conflict} is not the committed one`) // L2
      return false
    }
    truncateEntries(state, conflict)
    rollBackConfigurations(state, conflict)
    state.effects.push({ type: 'event', event: { name: 'truncated', fromSeq: conflict } })
  } else {
    const overlapEnd = Math.min(log.lastSeq, batch.lastSeq)
    const ours = overlapEnd >= fromSeq ? chainAt(log, overlapEnd) : undefined
    if (ours !== undefined && ours !== batchChainAt(batch, overlapEnd)) {
      stopOnChain(state, overlapEnd, ours, batchChainAt(batch, overlapEnd))
      return false
    }
  }
  const appendFrom = log.lastSeq + 1
  if (appendFrom <= batch.lastSeq) {
    appendEntries(state, batch, appendFrom)
    pushConfigurations(state, batch.configurations, appendFrom)
  }
  return true
}

/** Entry 1 outside of replication: there is no leader yet to replicate it, and nobody may vote without it. */
export function onBootstrap(state: RaftState, batch: EntryBatch): void {
  if (state.log.lastSeq > 0 || state.configurations.length > 0) return // the group was faster
  if (batch.firstSeq !== 1 || batch.lastSeq !== 1) throw new Error('bootstrap takes entry 1 alone')
  const term = batch.terms[0]!.term
  if (!isOwnHistory(state, batch) || batch.configurations.length !== 1) {
    state.effects.push({ type: 'event', event: { name: 'foreignConfiguration', from: NO_NODE } })
    return
  }
  if (term > state.term) becomeFollower(state, term, NO_NODE)
  appendEntries(state, batch, 1)
  pushConfigurations(state, batch.configurations, 1)
}

/** An empty node accepts entry 1 only if it does not name another directory under this node's id (D11). */
function isOwnHistory(state: RaftState, batch: EntryBatch): boolean {
  if (batch.firstSeq !== 1 || state.configurations.length > 0) return true
  const first = batch.configurations[0]
  if (first === undefined || first.seq !== 1) return false
  const self = first.configuration.members.find(member => member.id === state.id)
  return self === undefined || self.directoryId === state.directoryId
}

function accept(state: RaftState, message: AppendRequest, verified: Seq): void {
  const ack = state.ack
  ack.verifiedSeq = Math.max(ack.verifiedSeq, verified)
  ack.streamId = message.streamId
  ack.sentAtMs = Math.max(ack.sentAtMs, message.sentAtMs)
  ack.isOwed = true
  noteRecoveryMark(state, message.recovery)
  // L3: not beyond what this request has shown to be the leader's.
  advanceFollowerCommit(state, message.commit, isMutant('commit uncapped') ? state.log.lastSeq : verified)
}

/** L6: skips our entries of terms above the probe's, so that each term costs at most one probe. */
function reject(state: RaftState, message: AppendRequest): void {
  const hint = findAgreementGuess(state.log, message.prevSeq, message.prevTerm)
  answerAppend(state, message.from, {
    isAccepted: false,
    matchSeq: 0,
    rejectedSeq: message.prevSeq,
    hint,
    streamId: message.streamId,
    sentAtMs: message.sentAtMs,
  })
}

interface AppendAnswer {
  readonly isAccepted: boolean
  readonly matchSeq: Seq
  readonly rejectedSeq: Seq
  readonly hint: LogEnd
  readonly streamId: number
  readonly sentAtMs: number
}

function answerAppend(state: RaftState, to: NodeId, answer: AppendAnswer): void {
  const { id: from, term, recoveryId } = state
  send(state, 'allSynced', { type: 'appendResponse', from, to, term, recoveryId, ...answer })
}

/** E7: a leader of an older term is told of ours, or it would never learn that it is deposed. */
export function answerStaleLeader(state: RaftState, to: NodeId, term: Term): void {
  if (isMutant('stale term not answered') || term >= state.term) return
  const hint = logEnd(state.log)
  answerAppend(state, to, { isAccepted: false, matchSeq: 0, rejectedSeq: 0, hint, streamId: 0, sentAtMs: 0 })
}

/**
 * Says, once a turn, how much of the leader's log is synced here (L13). Waits while nothing new is synced, so that a
 * burst of requests costs one answer.
 */
export function acknowledgeLeader(state: RaftState): void {
  const ack = state.ack
  if (!ack.isOwed || state.leader === NO_NODE || state.role !== 'follower') return
  const durable = isMutant('ack before sync') ? state.log.lastSeq : state.storage.durableSeq
  const matchSeq = Math.min(ack.verifiedSeq, durable)
  const isComplete = matchSeq >= ack.verifiedSeq
  if (!isComplete && matchSeq <= ack.ackedSeq) return
  ack.ackedSeq = matchSeq
  ack.isOwed = !isComplete
  // Everything claimed is synced already; what must still be waited for is the term itself.
  const { id: from, term, recoveryId } = state
  send(state, isMutant('ack before sync') ? 'now' : 'termSynced', {
    type: 'appendResponse',
    from,
    to: state.leader,
    term,
    recoveryId,
    isAccepted: true,
    matchSeq,
    rejectedSeq: 0,
    hint: { seq: 0, term: 0 },
    streamId: ack.streamId,
    sentAtMs: ack.sentAtMs,
  })
}

export function onHeartbeatRequest(state: RaftState, message: HeartbeatRequest): void {
  noteLeaderContact(state)
  const cap = isMutant('heartbeat commit uncapped') ? state.log.lastSeq : state.ack.verifiedSeq
  advanceFollowerCommit(state, message.commit, cap)
  const { wallMicros, digest } = message
  const from = message.from
  state.effects.push({ type: 'peerReport', from, wallMicros, roundTripMs: null, digest, diskStallMs: 0 })
  answerHeartbeat(state, message)
}

/** Answers a heartbeat; also one of an older term, without confirming anything (E7). */
export function answerHeartbeat(state: RaftState, message: HeartbeatRequest): void {
  const isCurrent = message.term === state.term
  if (!isCurrent && isMutant('stale term not answered')) return
  send(state, 'termSynced', {
    type: 'heartbeatResponse',
    from: state.id,
    to: message.from,
    term: state.term,
    readSeq: isCurrent ? message.readSeq : 0,
    sentAtMs: isCurrent ? message.sentAtMs : 0,
    syncedSeq: state.storage.durableSeq,
    diskStallMs: state.diskStallMs,
    wallMicros: state.wallMicros,
    digest: state.digest,
    isUnfitToLead: state.isHandicapped || state.recoveryId !== 0 || findCampaignObstacle(state) !== undefined,
  })
}

/** Remembers how far the leader must re-supply this recovering log. */
function noteRecoveryMark(state: RaftState, mark: RecoveryMark | null): void {
  if (state.recoveryId === 0 || mark === null || mark.recoveryId !== state.recoveryId) return
  state.recoveryThroughSeq = mark.throughSeq
}

/**
 * W6: the log is whole again once everything that may have been lost is re-supplied and synced. As a follower: the
 * leader's log as it was after it knew of the recovery. As a leader: the own no-op, for the election took answers from
 * every voter.
 */
export function endRecovery(state: RaftState): void {
  if (state.recovery.kind === 'clean') return
  if (state.role === 'leader') {
    const start = state.leadership?.termStartSeq ?? Number.POSITIVE_INFINITY
    if (state.storage.durableSeq < start) return
  } else {
    const through = state.recoveryThroughSeq
    if (through === null || state.leader === NO_NODE) return
    const own = state.recovery.kind === 'damaged' ? state.recovery.throughSeq : 0
    if (Math.min(state.ack.verifiedSeq, state.storage.durableSeq) < Math.max(through, own)) return
  }
  state.recovery = { kind: 'clean' }
  state.recoveryId = 0
  state.recoveryThroughSeq = null
  state.effects.push({ type: 'recoveryEnded', seq: state.storage.durableSeq })
}
