import type { KeyspaceMutants, StateMachineTuning } from '../../engine/index.ts'
import type { EntryBatch } from '../../encoding/index.ts'
import type { EntryOutcome, NodeService, PeerIdentity, PeerTransport, StateDigest } from '../../model/index.ts'
import type { RequestLimits } from '../../raft/index.ts'
import type { SimulatedProcess } from '../../platform/simulated/index.ts'
import type { ConfiguredKeys } from '../../sealing/index.ts'

/** A member as configured on every node. */
export interface ConfiguredMember {
  readonly name: string
  readonly peerAddress: string
  readonly clientAddress: string
}

/** The sizes of a node's storage; small ones make evictions, checkpoints, segments and snapshots happen within seconds. */
export interface StorageShape {
  readonly pageBytes: 4096 | 8192 | 16384 | 32768
  readonly budgetBytes: number
  readonly segmentBytes: number
  readonly lane: 'inline' | 'worker'
  readonly checkpointLogBytes: number
  readonly checkpointAgeMs: number
  /** Log kept for peers that lag; beyond it they get snapshots. */
  readonly lagLogBytes: number
  /** So small that a snapshot has many chunks, and an install records its progress between them. */
  readonly snapshotLimits: { readonly chunkBytes: number; readonly windowBytes: number }
  readonly installProgressBytes: number
  /** Seqs between digests: what peers compare, and where incremental snapshots may begin. */
  readonly digestInterval: number
}

/** What a node tells the simulator after each call of its state machine's `apply`. */
export interface AppliedReport {
  /** The batch that was applied from; entries before `firstSeq` were applied before. */
  readonly batch: EntryBatch
  readonly firstSeq: number
  readonly appliedThrough: number
  readonly outcomes: readonly EntryOutcome[]
  /** As of `appliedThrough`. */
  readonly digest: StateDigest
  /** Those that the node has recorded, oldest first: at seqs up to `appliedThrough`. */
  readonly recorded: readonly StateDigest[]
}

/** Everything a node is opened with. */
export interface NodeOpening {
  readonly platform: SimulatedProcess
  readonly directory: string
  readonly name: string
  readonly members: readonly ConfiguredMember[]
  readonly createTransport: (
    identity: () => PeerIdentity,
    directoryOf: (name: string) => string | undefined,
  ) => PeerTransport
  readonly storage: StorageShape
  /** Undefined = those of a node. */
  readonly requestLimits: RequestLimits | undefined
  /** What directories are encrypted and signed with. */
  readonly keys: ConfiguredKeys | undefined
  /** Planted in the keyspace of this node, or in what it writes there. */
  readonly drift: Pick<KeyspaceMutants, 'digestKeepsOverwritten'>
  /** Undefined: nothing of it will ever be. */
  readonly alterValue: StateMachineTuning['alterValue'] | undefined
  readonly onFatal: (error: unknown) => void
  readonly onApplied: (report: AppliedReport) => void
  /** Processor time that applying an entry takes. */
  readonly applyMs: () => number
  /** An install has begun; `isResumed`: where an earlier one was interrupted; `sinceSeq`: of what changed after it, 0 = of everything. */
  readonly onInstall: (isResumed: boolean, sinceSeq: number) => void
  /** What arrived did not make the state that its sender had announced. */
  readonly onMisfit: (error: Error) => void
  /** All of a state has arrived and is about to be the node's own. */
  readonly onInstallCommit: (state: StateDigest) => void
  /** It has taken a chunk, or is about to commit. */
  readonly onInstallStep: () => void
  /** Whether the next call of `apply` is to stop after one entry. */
  readonly isSlicing: () => boolean
}

/** What a running node shows of itself besides its service. */
export interface NodeInspection {
  readonly appliedSeq: number
  readonly commitSeq: number
  readonly term: number
  /** The newest term that is on disk. */
  readonly syncedTerm: number
  /** Of this term; 0 = none. */
  readonly vote: number
  /** Term of the last entry of the log. */
  readonly lastTerm: number
  /** End of the log, and how much of it is on disk. */
  readonly lastSeq: number
  readonly syncedSeq: number
  /** False while the log may miss something that was acknowledged, and the node knows it. */
  readonly isWhole: boolean
  readonly role: string
  readonly leaderId: number
  /** Leads and has committed in its term. */
  readonly isReady: boolean
  /** Why it belongs to no group, if it has found that it does not. */
  readonly unjoinedReason: string | undefined
  /** Its state differs from its peers', and it knows. */
  readonly isFenced: boolean
  readonly digest: StateDigest
}

export interface RunningNode {
  readonly service: NodeService
  inspect(): NodeInspection
  /** The first of what does not hold between the records of its state, in words; absent where nodes have none that can be looked at. */
  findInconsistency?(): Promise<string | undefined>
}

/** Opens a node: what is under test. Rejects if the node cannot serve from what its disk holds. */
export type OpenNode = (opening: NodeOpening) => Promise<RunningNode>
