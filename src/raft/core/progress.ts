import { clearInflights, createInflights, freeInflightsThrough, type Inflights } from './inflights.ts'
import type { RecoveryMark } from './message.ts'
import type { NodeId, Seq } from './types.ts'

/**
 * What the leader knows of one peer.
 * - `probe`: the logs' agreement is unknown; one request at a time, `next` moves only on an answer.
 * - `replicate`: they agree; requests are pipelined, `next` moves when they are sent.
 * - `snapshot`: the peer needs what is no longer in the log; nothing is sent until the snapshot is reported.
 */
export interface Progress {
  readonly id: NodeId
  state: 'probe' | 'replicate' | 'snapshot'
  /** Synced at the peer and equal to the leader's log; monotonic within a leadership (L8), below `next` (L7). */
  match: Seq
  next: Seq
  /** Probe: a request is on its way; a heartbeat answer or an acknowledgement allows the next one. */
  isProbeSent: boolean
  /** Probe: the last seq that the request carried or verified. */
  probeEnd: Seq
  /** Replicate: owed an empty request, so that a lost window is noticed (L12). */
  isNudgeOwed: boolean
  readonly inflights: Inflights
  /** Answers that name another stream belong to a window that was given up (L8). */
  streamId: number
  /** Monotonic time of the last answer in this term; a new peer starts as active (M7). */
  lastActiveMs: number
  /** Newest send time, on the leader's clock, that the peer has echoed (R7). */
  ackedSentAtMs: number
  /** How long that answer took; 0 = none yet. For metrics. */
  roundTripMs: number
  /** Newest read round that the peer has confirmed (R2). */
  readSeq: number
  /** Commit index that the peer has been told. */
  sentCommit: Seq
  /** When a commit index that no append has carried must be told by itself; infinite = none waits. */
  commitDueMs: number
  /** Requests that the peer forwarded lie at or below it: it answers them from its own apply, so these commits are told at once. */
  awaitedSeq: Seq
  /** Requests came from the peer in this turn; what the turn appends is awaited. */
  isAwaiting: boolean
  isUnfitToLead: boolean
  diskStallMs: number
  recovery: RecoveryMark | null
}

export function createProgress(id: NodeId, next: Seq, streamId: number, nowMs: number, window: number): Progress {
  return {
    id,
    state: 'probe',
    match: 0,
    next,
    isProbeSent: false,
    probeEnd: 0,
    isNudgeOwed: false,
    inflights: createInflights(window),
    streamId,
    lastActiveMs: nowMs,
    ackedSentAtMs: Number.NEGATIVE_INFINITY,
    roundTripMs: 0,
    readSeq: 0,
    sentCommit: 0,
    commitDueMs: Number.POSITIVE_INFINITY,
    awaitedSeq: 0,
    isAwaiting: false,
    isUnfitToLead: false,
    diskStallMs: 0,
    recovery: null,
  }
}

/** Gives up the window and looks for the point of agreement from `next`. */
export function becomeProbe(progress: Progress, next: Seq, streamId: number): void {
  progress.state = 'probe'
  progress.next = Math.max(next, progress.match + 1)
  progress.isProbeSent = false
  progress.isNudgeOwed = false
  progress.streamId = streamId
  progress.commitDueMs = Number.POSITIVE_INFINITY
  clearInflights(progress.inflights)
}

/** The probe was accepted: everything through probeEnd is there or on its way. */
export function becomeReplicate(progress: Progress): void {
  progress.state = 'replicate'
  progress.next = Math.max(progress.match, progress.probeEnd) + 1
  progress.isProbeSent = false
  clearInflights(progress.inflights)
}

export function becomeSnapshot(progress: Progress): void {
  progress.state = 'snapshot'
  progress.isProbeSent = false
  progress.isNudgeOwed = false
  progress.commitDueMs = Number.POSITIVE_INFINITY
  clearInflights(progress.inflights)
}

/** Takes an acknowledged match. Never moves backwards. */
export function acknowledge(progress: Progress, matchSeq: Seq): void {
  if (matchSeq > progress.match) {
    progress.match = matchSeq
    if (progress.next <= matchSeq) progress.next = matchSeq + 1
  }
  freeInflightsThrough(progress.inflights, progress.match)
}
