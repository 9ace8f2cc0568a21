import type { AppendSlice, Effect, Refusal } from './effect.ts'
import type { LogView } from './log-view.ts'
import type { OutgoingMessage } from './message.ts'
import type { Progress } from './progress.ts'
import type { Rng } from './rng.ts'
import type { Settings } from './settings.ts'
import type {
  Configuration,
  ConfigurationAt,
  Digest,
  LogBase,
  LogEnd,
  NodeId,
  Seq,
  SnapshotMeta,
  Term,
} from './types.ts'

export type Role = 'follower' | 'preCandidate' | 'candidate' | 'leader'

/** How the log was found at the start (DESIGN 6, raft.md 2.4). */
export type Recovery =
  /** Whole, or torn at the end by a crash: nothing acknowledged can be missing. */
  | { readonly kind: 'clean' }
  /** The last frame is bad and undecidable (W3): entries after the log's end may have been acknowledged. */
  | { readonly kind: 'suspect' }
  /** Acknowledged entries are damaged (W2); the node had entries through `throughSeq`. */
  | { readonly kind: 'damaged'; readonly throughSeq: Seq }

/** When a message may leave: at once, when the term is synced, or when all that was written before it is synced. */
export type Gate = 'now' | 'termSynced' | 'allSynced'

export interface HeldMessage {
  readonly after: number
  readonly message: OutgoingMessage
}

/** The storage lane as the core sees it: one ordered sequence of frames, completed cumulatively (D2, D3, D-D). */
export interface Storage {
  issued: number
  done: number
  /** Entries through here are synced and not overwritten by a later frame. */
  durableSeq: Seq
  /** Frames that are written but not synced; lastSeq is lowered by later truncations (D4). */
  pending: { readonly ioSeq: number; lastSeq: Seq }[]
  /** Frame after which the current term, and the current vote, are durable. */
  termIo: number
  voteIo: number
  /** Collected for this turn's frame. */
  isHardStateDirty: boolean
  isTermDirty: boolean
  resetTo: LogBase | null
  truncateFrom: Seq | null
  append: AppendSlice[]
  /** Messages of this turn, and those that wait for a sync, in order of `after`. */
  outbox: { readonly gate: Gate; readonly message: OutgoingMessage }[]
  held: HeldMessage[]
}

/** The running or last candidacy. */
export interface Candidacy {
  campaignId: number
  isTransfer: boolean
  /** Answers by voter (E3). */
  votes: Map<NodeId, boolean>
  /** Pre-vote: intact ends by voter, and the voters whose grant is conditional. */
  ends: Map<NodeId, LogEnd>
  suspects: Set<NodeId>
  /** Recovery ids known when the round began. */
  knownAtStart: Map<NodeId, number>
  /** Recovery ids learnt from answers; kept between candidacies. */
  knownRecoveries: Map<NodeId, number>
}

/** What a follower owes its leader. */
export interface Acknowledgement {
  /** Everything through here is the leader's; monotonic within the leader's term. */
  verifiedSeq: Seq
  ackedSeq: Seq
  streamId: number
  sentAtMs: number
  isOwed: boolean
}

export interface Transfer {
  readonly to: NodeId
  readonly deadlineMs: number
  isTimeoutNowSent: boolean
}

/** An entry that only the core can ask for: the driver encodes it and gives it back as `append`. */
export interface WantedEntry {
  readonly kind: 'noop' | 'configuration'
  readonly configuration: Configuration | null
}

/** A read waiting at the leader: a local context, or a follower's attempt. */
export type PendingRead =
  | { readonly kind: 'local'; readonly ctx: unknown }
  | { readonly kind: 'asked'; readonly from: NodeId; readonly reqId: number }

/** Reads that wait for one proof of leadership, and the commit index taken when it began. */
export interface ReadRound {
  readonly seq: number
  readonly index: Seq
  readonly reads: PendingRead[]
  readonly startedAtMs: number
  /** Everybody is asked, not only as many as a quorum needs. */
  isWide: boolean
}

export interface Reads {
  /** Leader: arrived, to be confirmed by the next round. */
  queue: PendingRead[]
  /** Leader: the running round and the commit index taken when it began. */
  round: ReadRound | null
  /** Newest round of this leadership; 0 = none. */
  seq: number
  isRoundToAnnounce: boolean
  /** Follower: not yet asked for. */
  unsent: unknown[]
  /** Follower: asked for, by attempt. */
  asked: Map<number, { ctxs: unknown[]; askedAtMs: number; attempt: number }>
  nextReqId: number
}

export interface Leadership {
  /** Seq of this term's no-op: nothing is decided by counting before it commits (L9, R1, M2). */
  termStartSeq: Seq
  progress: Map<NodeId, Progress>
  nextStreamId: number
  /** Who confirmed the last read round, itself not among them: as many as a quorum needs, or more. */
  confirmers: readonly NodeId[]
  wanted: WantedEntry[]
  /** Origin of the heartbeat schedule and the next beat on it (T8). */
  heartbeatOriginMs: number
  nextHeartbeatMs: number
  /** R6: a TimeoutNow left in this term; no lease read until the next one. */
  isLeaseBarred: boolean
  /** A change accepted by proposeConfiguration whose last entry is not yet committed. */
  changeTarget: Configuration | null
  /** Disk stall: a hand-over has been tried in this stall. */
  isStallTransferTried: boolean
}

/** The whole of a core: plain data, changed only by the functions of this room. */
export interface RaftState {
  readonly id: NodeId
  readonly directoryId: string
  settings: Settings
  readonly rng: Rng
  nowMs: number
  wallMicros: number
  isClockSet: boolean
  stopped: boolean

  term: Term
  vote: NodeId
  commit: Seq
  /** The newest seq that a leader has called committed, whether or not it is here: how far behind this node is. Decides nothing. */
  heardCommit: Seq
  emittedCommit: Seq
  log: LogView
  /** Ascending by seq; the last one is active (D-A), the others are what a truncation falls back to (M4). */
  configurations: ConfigurationAt[]

  role: Role
  leader: NodeId
  /** Last role, term and leader told to the driver. */
  told: { role: Role; term: Term; leader: NodeId; isReady: boolean }
  lastLeaderContactMs: number
  electionDeadlineMs: number
  /** R8: a restarted voter may have promised a lease. */
  voteEmbargoUntilMs: number
  candidacy: Candidacy
  ack: Acknowledgement
  reads: Reads
  leadership: Leadership | null
  /** Leader: a hand-over under way. */
  transfer: Transfer | null

  recovery: Recovery
  /** Names this incarnation's recovery; 0 when clean. */
  recoveryId: number
  /** Set by the leader: recovery ends when the log is synced and verified through here. */
  recoveryThroughSeq: Seq | null
  pendingInstall: SnapshotMeta | null
  /** A snapshot of this seq or later is wanted, whatever is committed here: the state is not what it should be. */
  rebuildFrom: Seq | null
  isFenced: boolean
  isHandicapped: boolean
  diskStallMs: number
  digest: Digest | null
  /** Of a seq that a majority has passed alike: it stays true whoever leads. */
  agreedDigest: Digest | null

  storage: Storage
  effects: Effect[]
  /** Values of the last check, for "never falls" (invariants.ts). */
  checked: { term: Term; vote: NodeId; commit: Seq; done: number }
  checkedConfiguration: Configuration | undefined
}

/** The active configuration, or undefined on a node that has not joined. */
export function activeConfiguration(state: Readonly<RaftState>): Configuration | undefined {
  return state.configurations[state.configurations.length - 1]?.configuration
}

/** Seq of the active configuration's entry; 0 without one. */
export function activeConfigurationSeq(state: RaftState): Seq {
  return state.configurations[state.configurations.length - 1]?.seq ?? 0
}

/** Puts a message into the turn's outbox. Promises use `allSynced` (D1). */
export function send(state: RaftState, gate: Gate, message: OutgoingMessage): void {
  state.storage.outbox.push({ gate, message })
}

/** The leadership of a leader; calling it in another role is a bug. */
export function leadershipOf(state: RaftState): Leadership {
  if (state.leadership === null) throw new Error('not a leader')
  return state.leadership
}

export function failRead(state: RaftState, ctx: unknown, reason: Refusal): void {
  state.effects.push({ type: 'readFailed', ctx, reason, leader: state.leader })
}
