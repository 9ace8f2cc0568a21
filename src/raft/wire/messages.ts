import type { SessionOpening } from '../../encoding/index.ts'
import type { QuorateError, SnapshotBase, SnapshotManifest } from '../../model/index.ts'
import type { AppendRequest, EntryRange, Message, NodeId, OutgoingMessage, Seq, Term } from '../core/index.ts'

/**
 * What replicas send each other: the messages of the core (src/raft/core/message.ts), and those of the driver below, which the core
 * never sees (docs/formats/peer-wire.md).
 */

/** Every message says who speaks to whom; ids are 0 where a node has none yet. */
export interface PeerHeader {
  readonly from: NodeId
  readonly to: NodeId
  readonly term: Term
}

/** A request on its way to the leader. `forwardId` is the sender's; the answer repeats it. */
export interface ForwardedRequest {
  readonly forwardId: number
  /** encoding/request.ts. When decoded: a view of the frame, whose copy number may be raised in place. */
  readonly request: Uint8Array
}

export interface ForwardMessage extends PeerHeader {
  readonly type: 'forward'
  readonly requests: readonly ForwardedRequest[]
}

/** Opens a session through the leader; answered by a `forwardResults`, whose committed outcome has the session's id as its seq. */
export interface OpenSessionMessage extends PeerHeader {
  readonly type: 'openSession'
  readonly forwardId: number
  readonly opening: SessionOpening
}

/** What became of a forwarded request: its outcome (encoding/outcome.ts, a view of the frame), or an error of the leader's. */
export type ForwardResult =
  | { readonly forwardId: number; readonly outcome: Uint8Array }
  | { readonly forwardId: number; readonly error: QuorateError }

export interface ForwardResultsMessage extends PeerHeader {
  readonly type: 'forwardResults'
  readonly results: readonly ForwardResult[]
}

/** Entry 1 of a new group, to an empty node that it names (DESIGN 8). A view of the frame. */
export interface BootstrapMessage extends PeerHeader {
  readonly type: 'bootstrap'
  readonly entry: Uint8Array
}

/** To a node that behaves as a member and is none: by which configuration it was removed, or that it never joined (seq 0). */
export interface MembershipNotice extends PeerHeader {
  readonly type: 'membershipNotice'
  readonly state: 'removed' | 'unjoined'
  readonly configurationSeq: Seq
}

/** To the leader: a snapshot of a state at or after `seq` is wanted, for the own state is not what it should be. */
export interface SnapshotWantedMessage extends PeerHeader {
  readonly type: 'snapshotWanted'
  readonly seq: Seq
}

/** Of one snapshot on its way. The receiver makes the id; everything about the transfer carries it. */
interface Transfer extends PeerHeader {
  readonly transferId: number
}

/** Receiver: I take the offered snapshot; `base` is what an incremental one could start from. */
export interface SnapshotRequestMessage extends Transfer {
  readonly type: 'snapshotRequest'
  readonly seq: Seq
  readonly base: SnapshotBase | undefined
}

/** Sender: this is what I ship. Its SHA-256 goes with it and is checked. */
export interface SnapshotManifestMessage extends Transfer {
  readonly type: 'snapshotManifest'
  readonly manifest: SnapshotManifest
}

/** Receiver: begin after this fence (undefined = at the beginning) of the snapshot whose manifest has this hash. */
export interface SnapshotResumeMessage extends Transfer {
  readonly type: 'snapshotResume'
  readonly manifestHash: Uint8Array
  readonly afterFence: Uint8Array | undefined
}

/** Sender: chunk `number`, from 0. Its CRC goes with it and is checked. Views of the frame. */
export interface SnapshotChunkMessage extends Transfer {
  readonly type: 'snapshotChunk'
  readonly number: number
  readonly fence: Uint8Array
  readonly bytes: Uint8Array
}

/** Receiver: all chunks up to this one are taken; lets the sender go on. */
export interface SnapshotChunkAck extends Transfer {
  readonly type: 'snapshotChunkAck'
  readonly number: number
}

/** Sender: that was the last of `chunks`. */
export interface SnapshotEndMessage extends Transfer {
  readonly type: 'snapshotEnd'
  readonly chunks: number
}

/** Receiver: installed and durable, both superblocks written. */
export interface SnapshotInstalledMessage extends Transfer {
  readonly type: 'snapshotInstalled'
  readonly seq: Seq
}

/** Either side: given up. */
export interface SnapshotFailedMessage extends Transfer {
  readonly type: 'snapshotFailed'
  /** Receiver: what came does not make the state that the manifest announced. */
  readonly isMismatch: boolean
  readonly error: QuorateError
}

export type DriverMessage =
  | ForwardMessage
  | OpenSessionMessage
  | ForwardResultsMessage
  | BootstrapMessage
  | MembershipNotice
  | SnapshotWantedMessage
  | SnapshotRequestMessage
  | SnapshotManifestMessage
  | SnapshotResumeMessage
  | SnapshotChunkMessage
  | SnapshotChunkAck
  | SnapshotEndMessage
  | SnapshotInstalledMessage
  | SnapshotFailedMessage

/** The entries of an outgoing AppendRequest: the range that the core named, and its bytes out of the log. */
export interface EncodedEntries extends EntryRange {
  readonly bytes: Uint8Array
}

/** What can be sent. The driver replaces the range of an AppendRequest by `EncodedEntries`. */
export type OutgoingPeerMessage =
  | Exclude<OutgoingMessage, { type: 'appendRequest' }>
  | AppendRequest<EncodedEntries>
  | DriverMessage

/** What arrives: the core's messages as `recv` takes them, or the driver's. */
export type IncomingPeerMessage = Message | DriverMessage

/** Types on the wire: never reused. Below 64 the core's, from 64 the driver's. */
export const PeerMessageCode = {
  preVoteRequest: 1,
  preVoteResponse: 2,
  voteRequest: 3,
  voteResponse: 4,
  appendRequest: 5,
  appendResponse: 6,
  heartbeatRequest: 7,
  heartbeatResponse: 8,
  timeoutNow: 9,
  readIndexRequest: 10,
  readIndexResponse: 11,
  snapshotOffer: 12,
  forward: 64,
  openSession: 65,
  forwardResults: 66,
  bootstrap: 67,
  membershipNotice: 68,
  snapshotRequest: 69,
  snapshotManifest: 70,
  snapshotResume: 71,
  snapshotChunk: 72,
  snapshotChunkAck: 73,
  snapshotEnd: 74,
  snapshotInstalled: 75,
  snapshotFailed: 76,
  snapshotWanted: 77,
} as const

export function isCoreMessage(message: IncomingPeerMessage): message is Message {
  return PeerMessageCode[message.type] < PeerMessageCode.forward
}
