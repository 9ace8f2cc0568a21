import type { Dispute } from './disputes.ts'
import type { Drift } from './drift.ts'
import type { FenceFile } from './fence-file.ts'
import type { Log, Recovered } from '../log/index.ts'
import type { PeerIdentity, PeerTransport, StateMachine } from '../model/index.ts'
import type { Clock, Random, Timers } from '../platform/index.ts'
import type { ShippingLimits } from './snapshot-shipping/index.ts'

/** A member as configuration names it; all nodes have the same ordered list. */
export interface MemberAddress {
  name: string
  /** host:port */
  peerAddress: string
  /** host:port */
  clientAddress: string
}

/** What a replica is made of. The owner of the directory opens log and state machine and closes them after the replica. */
export interface ReplicaOptions {
  /** The own name, one of `members`. */
  name: string
  members: readonly MemberAddress[]
  directoryId: string
  log: Log
  recovered: Recovered
  machine: StateMachine
  fenceFile: FenceFile
  /**
   * Makes the links to the peers, which ask for this replica's identity when they open, and refuse whoever comes by a member's name with
   * another directory than `directoryOf` it.
   */
  createTransport: (identity: () => PeerIdentity, directoryOf: (name: string) => string | undefined) => PeerTransport
  clock: Clock
  timers: Timers
  random: Random
  groupId: number
  /** The log writes on this thread, when it is told to (`flushSync`), instead of in a worker. */
  isInline: boolean
  /** A checkpoint is due when the log has grown by this much, or the last one is this old. */
  checkpointLogBytes: number
  checkpointAgeMs: number
  /** Bytes of log kept for peers that lag, beyond what recovery needs; default `LAG_LOG_BYTES`. */
  lagLogBytes?: number
  /** What of `DEFAULT_LIMITS` (snapshot-shipping) is different here. */
  snapshotLimits?: Partial<ShippingLimits>
  /** What of `DEFAULT_REQUEST_LIMITS` is different here. */
  requestLimits?: Partial<RequestLimits>
  /** A peer was refused, or has refused this node: for the operator. */
  onRefusal?: PeerTransport['onRefusal']
  /** This replica was found to have drifted, or is known to have from before: it is fenced. Undefined: it was rebuilt. */
  onFence?: ((drift: Drift | undefined) => void) | undefined
  /** At a leader: its state and that of the voter `peer` differ, and no majority is known to have either. Once while they do. */
  onDispute?: ((dispute: Omit<Dispute, 'peer'> & { peer: string }) => void) | undefined
  /** The replica has stopped for good: storage failed, an invariant broke, or an entry could not be applied. Called once. */
  onFatal: (error: Error) => void
  /** How much of the log has been read at the start, 0 to 1. */
  onLogRead?: (share: number) => void
  /** Given what hears of the log's syncs and failures, before anything is written. */
  onStarted: (hearer: LogHearer) => void
}

/** What the owner of the log tells its replica. */
export interface LogHearer {
  logSynced(logIo: number): void
  logFailed(error: Error): void
}

/** Bytes of log kept for peers that lag, beyond what recovery needs. */
export const LAG_LOG_BYTES: number = 256 << 20
/** Largest append or forward frame between peers. */
export const PEER_FRAME_BYTES_MAX: number = 64 << 20
/** Apply gives the loop back after this long (DESIGN 7). */
export const APPLY_SLICE_MS = 5

/** Bounds of what a node keeps of its clients' requests. */
export interface RequestLimits {
  /** Requests that wait for an answer here: above it new ones are refused with `busy`. */
  readonly waitingBytes: number
  /** Forwarded in one frame; more go in the frames of later turns. */
  readonly frameBytes: number
  /** While this much waits on the link to the leader, nothing is forwarded. */
  readonly queuedBytes: number
}

export const DEFAULT_REQUEST_LIMITS: RequestLimits = {
  waitingBytes: 128 << 20,
  frameBytes: 4 << 20,
  queuedBytes: 16 << 20,
}
