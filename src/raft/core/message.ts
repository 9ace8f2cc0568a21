import type { Digest, EntryBatch, EntryRange, LogEnd, NodeId, Seq, SnapshotMeta, Term } from './types.ts'

/**
 * What members say to each other. The link proves who speaks and for which history; the driver decodes and bounds
 * every field before `recv`. Duplicates, reordering and loss of any message are tolerated (L16).
 * `term` is always the speaker's current term.
 */
interface Envelope {
  readonly from: NodeId
  readonly to: NodeId
  readonly term: Term
}

/** An answer to a pre-vote that a candidate shows to suspect voters: that voter's intact end. */
export interface VoterAnswer {
  readonly voter: NodeId
  readonly end: LogEnd
  /**
   * The voter's recovery id as the candidate knew it BEFORE this round began, 0 if it was not known to be recovering.
   * A suspect voter that finds its own id here knows that all answers were given after it started (DESIGN 6).
   */
  readonly recoveryId: number
}

/**
 * A leader's promise to a recovering follower: `throughSeq` was the end of my log after you told me `recoveryId`. What
 * the follower may have lost after acknowledging it lies at or below that seq.
 */
export interface RecoveryMark {
  readonly recoveryId: number
  readonly throughSeq: Seq
}

/** E5: asks "would you vote for me in campaignTerm?"; changes nothing at the voter. */
export interface PreVoteRequest extends Envelope {
  readonly type: 'preVoteRequest'
  readonly campaignTerm: Term
  /** Names this candidacy; answers to another one do not count (E4). */
  readonly campaignId: number
  readonly last: LogEnd
}

export interface PreVoteResponse extends Envelope {
  readonly type: 'preVoteResponse'
  readonly campaignTerm: Term
  readonly campaignId: number
  readonly isGranted: boolean
  readonly reason: VoteReason
  /** Not 0 while recovering: such a grant counts only once every voter has answered a round that knew it (DESIGN 6). */
  readonly recoveryId: number
  /** End of the voter's log, of its intact part if suspect. Null while damaged: such an answer proves nothing (W7). */
  readonly intactEnd: LogEnd | null
}

export interface VoteRequest extends Envelope {
  readonly type: 'voteRequest'
  readonly campaignId: number
  readonly last: LogEnd
  /** T5: a transfer campaign overrides the voters' leases. */
  readonly isTransfer: boolean
  /**
   * For suspect voters: the pre-vote answers, the candidate's own included, if every voter of its configuration gave
   * one and none has a longer log; otherwise empty.
   */
  readonly answers: readonly VoterAnswer[]
}

/** Leaves only after the vote is synced (D1, E1). */
export interface VoteResponse extends Envelope {
  readonly type: 'voteResponse'
  readonly campaignTerm: Term
  readonly campaignId: number
  readonly isGranted: boolean
  readonly reason: VoteReason
}

/** Why a vote was granted or not. */
export type VoteReason = 'granted' | 'lease' | 'log' | 'voted' | 'term' | 'recovering' | 'embargo' | 'unconfigured'

/**
 * AppendEntries. `entries` is a range when it leaves the core (the driver reads the bytes from its log) and a decoded
 * batch when it comes in. Null entries probe, or carry only the commit index.
 */
export interface AppendRequest<Entries extends EntryRange = EntryBatch> extends Envelope {
  readonly type: 'appendRequest'
  readonly prevSeq: Seq
  readonly prevTerm: Term
  /** Entry chain at prevSeq; a difference at equal (prevSeq, prevTerm) is damage and stops the receiver. */
  readonly prevChain: number
  readonly entries: Entries | null
  readonly commit: Seq
  /** Names the leader's in-flight window; answers to a superseded one are ignored (L8). */
  readonly streamId: number
  /** Monotonic clock of the leader when it built this, echoed (R7). */
  readonly sentAtMs: number
  readonly recovery: RecoveryMark | null
}

/** An acceptance says: everything up to matchSeq is the leader's and synced here (L13). */
export interface AppendResponse extends Envelope {
  readonly type: 'appendResponse'
  readonly isAccepted: boolean
  /** Accepted: the synced match. Rejected: 0. */
  readonly matchSeq: Seq
  /** Rejected: the prevSeq refused, and the follower's best guess where the logs may still agree (L6). */
  readonly rejectedSeq: Seq
  readonly hint: LogEnd
  readonly streamId: number
  readonly sentAtMs: number
  /** Not 0: a suspect or damaged log may have lost what it acknowledged, so the leader may lower its match. */
  readonly recoveryId: number
}

export interface HeartbeatRequest extends Envelope {
  readonly type: 'heartbeatRequest'
  /** Capped at what the receiver has matched (L4). */
  readonly commit: Seq
  /** The newest read round (R2: a number made by the leader); 0 if none yet. */
  readonly readSeq: number
  readonly sentAtMs: number
  readonly wallMicros: number
  /** One that a majority of the voters has recorded alike: a replica with another one at its seq has drifted. */
  readonly digest: Digest | null
}

/** Waits for the sync of the term, not of entries. */
export interface HeartbeatResponse extends Envelope {
  readonly type: 'heartbeatResponse'
  readonly readSeq: number
  readonly sentAtMs: number
  readonly syncedSeq: Seq
  readonly diskStallMs: number
  readonly wallMicros: number
  readonly digest: Digest | null
  /** The node that speaks must not lead (fenced, damaged...): transfers avoid it. */
  readonly isUnfitToLead: boolean
}

/** T2: campaign now, provided that your synced log ends exactly here. */
export interface TimeoutNow extends Envelope {
  readonly type: 'timeoutNow'
  readonly last: LogEnd
}

/** A follower asks for a read index for everything it queued; reqId is unique per attempt (R2). */
export interface ReadIndexRequest extends Envelope {
  readonly type: 'readIndexRequest'
  readonly reqId: number
}

export interface ReadIndexResponse extends Envelope {
  readonly type: 'readIndexResponse'
  readonly reqId: number
  /** The seq to wait for, or null if this node cannot say. */
  readonly readSeq: Seq | null
}

/**
 * A leader's driver announces a snapshot after effect `sendSnapshot`; it builds this message itself (meta of the
 * snapshot at hand, term of the effect). The bytes follow on the snapshot link once the receiver's core emits
 * `installSnapshot`.
 */
export interface SnapshotOffer extends Envelope {
  readonly type: 'snapshotOffer'
  readonly meta: SnapshotMeta
}

type Common =
  | PreVoteRequest
  | PreVoteResponse
  | VoteRequest
  | VoteResponse
  | AppendResponse
  | HeartbeatRequest
  | HeartbeatResponse
  | TimeoutNow
  | ReadIndexRequest
  | ReadIndexResponse
  | SnapshotOffer

/** A message as `recv` takes it: entries decoded. */
export type Message = Common | AppendRequest

/** A message as `send` hands it out: entries named by range. */
export type OutgoingMessage = Common | AppendRequest<EntryRange>
