import type { StateMachine } from '../../model/index.ts'
import type { Clock, Random, Timers } from '../../platform/index.ts'
import type { NodeId, Seq, SnapshotMeta } from '../core/index.ts'
import type { DriverMessage, OutgoingPeerMessage } from '../wire/index.ts'

/** The messages that belong to a transfer (docs/formats/peer-wire.md). */
export type SnapshotMessage = Extract<DriverMessage, { readonly transferId: number }>

/** What `SnapshotShipping` needs of its replica. */
export interface ShippingOptions {
  /** Read anew at each use: a replica that opens its state machine again may answer with the new one. */
  readonly machine: Pick<StateMachine, 'snapshotSource' | 'beginInstall' | 'appliedSeq' | 'digests'>
  /** The lowest seq of a snapshot that is of use; default: above what is applied. */
  readonly minSeq?: () => Seq
  /** The own node id. */
  readonly self: () => NodeId
  /** Queues a message on the snapshot channel; false if there is no link or its queue is full. */
  readonly send: (to: NodeId, message: OutgoingPeerMessage) => boolean
  /** Bytes queued for a peer on the snapshot channel and not yet on their way. */
  readonly bufferedBytes: (to: NodeId) => number
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  /** Input `snapshotSent` of the core. */
  readonly onSent: (to: NodeId, seq: Seq, isOk: boolean) => void
  /** A peer took the whole of the own state, and it does not add up to the S that is announced: one of the two has it wrong. */
  readonly onMisfit: () => void
  /** Input `snapshotInstalled`: durable, both superblocks. `meta` may be newer than what was offered (S5). */
  readonly onInstalled: (meta: SnapshotMeta) => void
  /**
   * Input `snapshotFailed`; nothing was committed, and the state machine goes on from where it was. `mustReopen`: it cannot, and applies
   * nothing more until it is closed and opened again from its last durable root.
   */
  readonly onFailed: (reason: string, mustReopen: boolean) => void
  /**
   * Before the state machine begins an install, from where on it takes no entry (S3): resolves when no apply is under way. `sinceSeq`: of
   * an incremental one, which can be resumed after a restart only if the present state is on file; 0 = full. Without it `beforeCommit`
   * is called here as well.
   */
  readonly beforeInstall?: (sinceSeq: Seq) => Promise<void>
  /** After the last chunk, before the commit that swaps the state (S8). */
  readonly beforeCommit: () => Promise<void>
  readonly limits?: Partial<ShippingLimits>
}

export interface ShippingLimits {
  /** A chunk is about this big: one turn's work on either side, 2 to 4 ms (bench/snapshot). */
  readonly chunkBytes: number
  /** Sent and not yet acknowledged: what a receiver may have to hold. */
  readonly windowBytes: number
  /** Nothing more is sent while the link has this much queued. */
  readonly bufferedBytesMax: number
  /** Silence of the other side on an open link that ends a transfer. */
  readonly silenceMsMax: number
  /** The same while the link is down: how long a source stays pinned, and an unfinished install is kept. */
  readonly unlinkedMsMax: number
  /** After a snapshot that did not fit, the peer gets no other one for so long; doubled each time, to at most the second. */
  readonly misfitMsMin: number
  readonly misfitMsMax: number
  /** Own silence after which a waiting side speaks again, so that a message that was not sent is repeated. */
  readonly repeatMs: number
}

export const DEFAULT_LIMITS: ShippingLimits = {
  chunkBytes: 256 << 10,
  windowBytes: 4 << 20,
  bufferedBytesMax: 2 << 20,
  silenceMsMax: 10_000,
  unlinkedMsMax: 30_000,
  misfitMsMin: 1_000,
  misfitMsMax: 60_000,
  repeatMs: 2_000,
}

/** The options with every limit decided. */
export interface ShippingContext {
  readonly options: ShippingOptions
  readonly limits: ShippingLimits
}
