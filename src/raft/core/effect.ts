import type { OutgoingMessage } from './message.ts'
import type { Configuration, Digest, HardState, LogBase, NodeId, Seq, SnapshotMeta, Term } from './types.ts'

/** Why a proposal, read or transfer was refused. `busy` and `noQuorum` pass; `notLeader` names where to go. */
export type Refusal =
  | 'notLeader'
  | 'transferring'
  | 'busy'
  | 'noLeader'
  | 'leaderChanged'
  | 'unknownMember'
  | 'notVoter'
  | 'timedOut'
  | 'changePending'
  | 'termNotCommitted'
  | 'invalidConfiguration'
  | 'notCaughtUp'
  | 'stopped'

/** Part of a batch that goes to the log: entries firstSeq..lastSeq of the batch that `ref` names. */
export interface AppendSlice {
  readonly firstSeq: Seq
  readonly lastSeq: Seq
  /** Entry chain of every entry from `firstSeq` on, at least through `lastSeq`. */
  readonly chains: Uint32Array
  readonly ref: unknown
}

/** Why the core stopped. The replica must not go on with this log. */
export type FatalCode = 'ioFailed' | 'chainMismatch' | 'conflictBelowCommit' | 'commitBeyondLog' | 'foreignSnapshot'

/** Things that happened, for metrics, logs and the replica's bookkeeping; nothing depends on them being heard. */
export type CoreEvent =
  | { readonly name: 'campaign'; readonly term: Term; readonly kind: 'preVote' | 'vote' | 'transfer' }
  | { readonly name: 'quorumLost'; readonly term: Term }
  | { readonly name: 'diskStalled'; readonly oldestPendingMs: number; readonly action: 'transfer' | 'stepDown' }
  | { readonly name: 'voteRefused'; readonly candidate: NodeId; readonly reason: string }
  | { readonly name: 'configuration'; readonly seq: Seq; readonly configuration: Configuration }
  | { readonly name: 'truncated'; readonly fromSeq: Seq }
  | { readonly name: 'snapshotRefused'; readonly from: NodeId; readonly reason: string }
  | { readonly name: 'foreignConfiguration'; readonly from: NodeId }

/** What the driver has to do, in the order given. */
export type Effect =
  /**
   * Write one frame: first drop the whole log and start after `resetTo`, or truncate from `truncateFrom`; then append
   * the slices. Frames are written in ioSeq order (D2) and reported by `persisted`. At most one a turn. A frame does not do both,
   * and truncates only what earlier frames have written.
   */
  | {
      readonly type: 'persist'
      readonly ioSeq: number
      readonly hardState: HardState | null
      readonly resetTo: LogBase | null
      readonly truncateFrom: Seq | null
      readonly append: readonly AppendSlice[]
    }
  /** May leave at once: the core itself holds back what rests on an unfinished persist (D1). */
  | { readonly type: 'send'; readonly to: NodeId; readonly message: OutgoingMessage }
  /** Committed through `seq` (cumulative): apply up to there. Never emitted while an install is pending (S3). */
  | { readonly type: 'commit'; readonly seq: Seq }
  /** Serve the read once applied >= seq. */
  | { readonly type: 'readReady'; readonly ctx: unknown; readonly seq: Seq }
  | { readonly type: 'readFailed'; readonly ctx: unknown; readonly reason: Refusal; readonly leader: NodeId }
  /** Role, term or known leader changed. `isReady`: leads and has committed in its own term (R1). */
  | {
      readonly type: 'roleChanged'
      readonly role: 'follower' | 'preCandidate' | 'candidate' | 'leader'
      readonly term: Term
      readonly leader: NodeId
      readonly isReady: boolean
    }
  /** refusal null: this node leads no more; who leads instead comes with `roleChanged`. */
  | { readonly type: 'transferEnded'; readonly to: NodeId; readonly refusal: Refusal | null }
  | { readonly type: 'configurationChange'; readonly refusal: Refusal | null; readonly configuration: Configuration }
  /** Ship a snapshot of at least minSeq; report with `snapshotSent`. `term` goes into the offer. */
  | { readonly type: 'sendSnapshot'; readonly to: NodeId; readonly minSeq: Seq; readonly term: Term }
  /** Fetch and install the offered snapshot; report with `snapshotInstalled` or `snapshotFailed`. */
  | { readonly type: 'installSnapshot'; readonly from: NodeId; readonly meta: SnapshotMeta }
  /** A heartbeat carried a peer's clock and digest. roundTripMs is known for answers only. */
  | {
      readonly type: 'peerReport'
      readonly from: NodeId
      readonly wallMicros: number
      readonly roundTripMs: number | null
      readonly digest: Digest | null
      readonly diskStallMs: number
    }
  /** The log is whole again: forget the mark that made this start suspect or damaged. */
  | { readonly type: 'recoveryEnded'; readonly seq: Seq }
  | { readonly type: 'event'; readonly event: CoreEvent }
  /** Stop this replica; later inputs are ignored. */
  | { readonly type: 'fatal'; readonly code: FatalCode; readonly seq: Seq; readonly detail: string }
