import { addInflight } from './inflights.ts'
import { advanceCommit } from './leader.ts'
import { bytesThrough, chainAt, findAgreementGuess, rangeEnd, termAt } from './log-view.ts'
import type { AppendResponse, HeartbeatResponse } from './message.ts'
import { isMutant } from './mutants.ts'
import { acknowledge, becomeProbe, becomeReplicate, becomeSnapshot, type Progress } from './progress.ts'
import { finishRound } from './read-index.ts'
import { leadershipOf, send, type Leadership, type RaftState } from './state.ts'
import { continueTransfer } from './transfer.ts'
import type { EntryRange, NodeId, Seq } from './types.ts'

/** The leader's side of replication: what to send to whom, and what answers mean (Raft thesis 3.5, 10.2; L4-L15). */

/** Sends every peer what it lacks and its window allows. Runs once a turn, so that a turn costs one append a peer. */
export function replicate(state: RaftState): void {
  for (const progress of leadershipOf(state).progress.values()) {
    if (progress.isAwaiting) progress.awaitedSeq = state.log.lastSeq
    progress.isAwaiting = false
    if (progress.state === 'probe') sendProbe(state, progress)
    else if (progress.state === 'replicate') sendEntries(state, progress)
  }
}

function sendProbe(state: RaftState, progress: Progress): void {
  if (progress.isProbeSent) return
  const range = nextRange(state, progress)
  if (!sendAppend(state, progress, range)) return
  progress.isProbeSent = true
  progress.probeEnd = range?.lastSeq ?? progress.next - 1
}

/** hot path: bench/gate replication; a few objects a message, nothing per entry. */
function sendEntries(state: RaftState, progress: Progress): void {
  let sent = false
  while (progress.next <= state.log.lastSeq && hasRoom(state, progress)) {
    const range = nextRange(state, progress)
    // Null: compacted away under a peer that had fallen silent, which sendAppend turns into a snapshot (er#31).
    if (!sendAppend(state, progress, range) || range === null) return
    addInflight(progress.inflights, range.lastSeq, range.lastSeq - range.firstSeq + 1, range.byteLength)
    progress.next = range.lastSeq + 1
    sent = true
  }
  // A lost window shows when an empty request is refused (L12).
  if (!sent && (progress.isNudgeOwed || isCommitDue(state, progress))) sendAppend(state, progress, null)
  progress.isNudgeOwed = false
}

/**
 * Whether a commit index must be told without entries. The next append carries it: an append of its own would cost a frame, a turn and an
 * answer for each peer and round, just when the leader applies for those who wait. A peer that waits for it itself is told at once.
 */
function isCommitDue(state: RaftState, progress: Progress): boolean {
  if (progress.sentCommit >= Math.min(state.commit, progress.next - 1)) return false
  if (progress.sentCommit < progress.awaitedSeq) return true
  if (progress.commitDueMs === Number.POSITIVE_INFINITY) {
    progress.commitDueMs = state.nowMs + state.settings.commitDelayMs
  }
  return state.nowMs >= progress.commitDueMs
}

/** When a commit index must be told that no append has carried by then. */
export function nextCommitDueMs(leadership: Leadership): number {
  let dueMs = Number.POSITIVE_INFINITY
  for (const progress of leadership.progress.values()) dueMs = Math.min(dueMs, progress.commitDueMs)
  return dueMs
}

/** A peer forwarded requests in this turn: it answers them from its own apply. */
export function onCommitAwaited(state: RaftState, peer: NodeId): void {
  const progress = state.leadership?.progress.get(peer)
  if (progress !== undefined) progress.isAwaiting = true
}

function hasRoom(state: RaftState, progress: Progress): boolean {
  const { maxInflightMessages, maxInflightEntries, maxInflightBytes } = state.settings
  const { length, entries, bytes } = progress.inflights
  return length < maxInflightMessages && entries < maxInflightEntries && bytes < maxInflightBytes
}

function nextRange(state: RaftState, progress: Progress): EntryRange | null {
  const { log, settings } = state
  const firstSeq = progress.next
  if (firstSeq > log.lastSeq || firstSeq <= log.base.seq) return null
  const lastSeq = rangeEnd(log, firstSeq, settings.maxAppendEntries, settings.maxAppendBytes)
  // Whole bytes: the window's sum must come back to exactly zero.
  return { firstSeq, lastSeq, byteLength: Math.round(bytesThrough(log, lastSeq) - bytesThrough(log, firstSeq - 1)) }
}

/** False if the log no longer reaches back far enough: the peer needs a snapshot (L15). */
function sendAppend(state: RaftState, progress: Progress, entries: EntryRange | null): boolean {
  const prevSeq = progress.next - 1
  const prevTerm = termAt(state.log, prevSeq)
  const prevChain = chainAt(state.log, prevSeq)
  if (prevTerm === undefined || prevChain === undefined) {
    becomeSnapshot(progress)
    state.effects.push({ type: 'sendSnapshot', to: progress.id, minSeq: state.log.base.seq, term: state.term })
    return false
  }
  progress.sentCommit = state.commit
  progress.commitDueMs = Number.POSITIVE_INFINITY
  send(state, 'now', {
    type: 'appendRequest',
    from: state.id,
    to: progress.id,
    term: state.term,
    prevSeq,
    prevTerm,
    prevChain,
    entries,
    commit: state.commit,
    streamId: progress.streamId,
    sentAtMs: state.nowMs,
    recovery: progress.recovery,
  })
  return true
}

/** Sends heartbeats if they are due or a read round begins; the schedule keeps its origin (T8). */
export function sendHeartbeats(state: RaftState): void {
  const leadership = leadershipOf(state)
  const isDue = state.nowMs >= leadership.nextHeartbeatMs
  if (isDue) {
    const period = state.settings.heartbeatMs
    const beats = Math.floor((state.nowMs - leadership.heartbeatOriginMs) / period) + 1
    leadership.nextHeartbeatMs = isMutant('timers re-anchored')
      ? state.nowMs + period
      : leadership.heartbeatOriginMs + beats * period
  }
  const { reads } = state
  if (!isDue && !reads.isRoundToAnnounce) return
  reads.isRoundToAnnounce = false
  const isForAll = isDue || reads.round === null || reads.round.isWide
  for (const progress of leadership.progress.values()) {
    if (!isForAll && !leadership.confirmers.includes(progress.id)) continue
    send(state, 'now', {
      type: 'heartbeatRequest',
      from: state.id,
      to: progress.id,
      term: state.term,
      commit: isMutant('heartbeat commit uncapped') ? state.commit : Math.min(state.commit, progress.match), // L4
      readSeq: state.reads.seq,
      sentAtMs: state.nowMs,
      wallMicros: state.wallMicros,
      digest: state.agreedDigest,
    })
  }
}

/** An answer of any kind in this term: the peer lives, and heard us after we sent what it echoes (R7). */
function noteAnswer(state: RaftState, progress: Progress, sentAtMs: number): void {
  progress.lastActiveMs = state.nowMs
  if (sentAtMs <= progress.ackedSentAtMs) return
  progress.ackedSentAtMs = sentAtMs
  progress.roundTripMs = state.nowMs - sentAtMs
}

/** Takes a follower's answer to AppendEntries (L6-L8, L13). */
export function onAppendResponse(state: RaftState, message: AppendResponse): void {
  const progress = leadershipOf(state).progress.get(message.from)
  if (progress === undefined) return
  noteAnswer(state, progress, message.sentAtMs)
  noteRecovery(state, progress, message)
  if (message.isAccepted) onAccepted(state, progress, message)
  else onRejected(state, progress, message)
}

/** Tells a recovering follower how far our log reached after we knew of its recovery (DESIGN 6). */
function noteRecovery(state: RaftState, progress: Progress, message: AppendResponse): void {
  if (message.recoveryId === 0) progress.recovery = null
  else if (progress.recovery?.recoveryId !== message.recoveryId) {
    progress.recovery = { recoveryId: message.recoveryId, throughSeq: state.log.lastSeq }
    progress.isNudgeOwed = true
  }
}

function isOfCurrentStream(progress: Progress, message: AppendResponse): boolean {
  return message.streamId === progress.streamId || isMutant('stale stream ack accepted')
}

function onAccepted(state: RaftState, progress: Progress, message: AppendResponse): void {
  if (progress.state !== 'snapshot' && !isOfCurrentStream(progress, message)) return // L8
  if (message.matchSeq > state.log.lastSeq) {
    throw new Error(`member ${message.from} acknowledged ${message.matchSeq}, the log ends at ${state.log.lastSeq}`)
  }
  const before = progress.match
  acknowledge(progress, message.matchSeq)
  if (progress.state === 'probe') becomeReplicate(progress)
  // S6: an acknowledgement from where our log begins ends the snapshot, whatever became of its own report. So does one that shows that the
  // member has come on: where our log has lost what follows, the snapshot that brought it there is no help, and the next append asks for another.
  else if (progress.state === 'snapshot' && (message.matchSeq >= state.log.base.seq || progress.match > before)) {
    becomeProbe(progress, message.matchSeq + 1, leadershipOf(state).nextStreamId++)
  }
  advanceCommit(state)
  continueTransfer(state)
}

function onRejected(state: RaftState, progress: Progress, message: AppendResponse): void {
  if (progress.state === 'snapshot' || !isOfCurrentStream(progress, message)) return
  const isRecovering = message.recoveryId !== 0
  if (isRecovering && message.hint.seq < progress.match) {
    // The one way a match falls: the follower itself says that its disk lost what it had acknowledged.
    progress.match = message.hint.seq
    progress.next = Math.max(progress.next, progress.match + 1)
  } else if (!isMutant('stale rejection accepted')) {
    // L7: what was matched cannot be refused; a probe's refusal must name the probe.
    if (message.rejectedSeq <= progress.match) return
    if (progress.state === 'probe' && message.rejectedSeq !== progress.next - 1) return
  }
  const guess = isMutant('hint ignored')
    ? message.rejectedSeq - 1
    : findAgreementGuess(state.log, Math.min(message.hint.seq, message.rejectedSeq), message.hint.term).seq
  const next = agreesBelowBase(state, message, guess) ? state.log.base.seq : guess + 1
  becomeProbe(progress, next, leadershipOf(state).nextStreamId++)
}

/**
 * The logs can agree only below our base, so that no probe will ever succeed: aim there, and the next send finds that
 * a snapshot is needed (L15).
 */
function agreesBelowBase(state: RaftState, message: AppendResponse, guess: Seq): boolean {
  const base = state.log.base
  if (guess > base.seq) return false
  return message.hint.seq < base.seq || message.hint.term < base.term || message.rejectedSeq <= base.seq
}

/** Takes a heartbeat's answer: proof of life, of a read round, and a chance to notice lost requests (L12). */
export function onHeartbeatResponse(state: RaftState, message: HeartbeatResponse): void {
  const progress = leadershipOf(state).progress.get(message.from)
  if (progress === undefined) return
  noteAnswer(state, progress, message.sentAtMs)
  progress.isUnfitToLead = message.isUnfitToLead
  progress.diskStallMs = message.diskStallMs
  if (message.readSeq > progress.readSeq) progress.readSeq = message.readSeq
  progress.isProbeSent = false
  // A peer that lags may have lost a window; one that is ill may have lost what it had, and an append finds out.
  const isDoubtful = progress.match < state.log.lastSeq || message.syncedSeq < progress.match || message.isUnfitToLead
  if (isDoubtful && !isMutant('full window sends nothing')) progress.isNudgeOwed = true
  const { from, wallMicros, digest, diskStallMs } = message
  const roundTripMs = state.nowMs - message.sentAtMs
  state.effects.push({ type: 'peerReport', from, wallMicros, roundTripMs, digest, diskStallMs })
  finishRound(state)
}

/** The link broke: what was in flight may be lost. */
export function onUnreachable(state: RaftState, peer: NodeId): void {
  const leadership = leadershipOf(state)
  leadership.confirmers = leadership.confirmers.filter(id => id !== peer)
  const progress = leadership.progress.get(peer)
  if (progress?.state === 'replicate') {
    becomeProbe(progress, progress.match + 1, leadership.nextStreamId++)
    progress.isProbeSent = true // until it answers a heartbeat, one request would be lost as well
  }
}

/** The driver's report on effect `sendSnapshot`. */
export function onSnapshotSent(state: RaftState, to: NodeId, seq: Seq, isOk: boolean): void {
  const progress = state.leadership?.progress.get(to)
  if (progress?.state !== 'snapshot') return
  if (isMutant('snapshot ends without ack') && isOk) return
  // S6: success is no acknowledgement, but reason enough to probe; so is failure, at the heartbeat's pace.
  becomeProbe(progress, isOk ? seq + 1 : progress.match + 1, leadershipOf(state).nextStreamId++)
  if (!isOk) progress.isProbeSent = true
}
