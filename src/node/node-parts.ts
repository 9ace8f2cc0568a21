import type { LatencyHistogram, RunningRequests } from '../model/index.ts'
import type { Platform } from '../platform/index.ts'
import type { ReplicaCore } from '../raft/index.ts'
import type { Gateway } from '../transport/gateway/index.ts'
import type { PeerLinkStatus } from '../transport/peer/index.ts'
import type { Authentication } from './authentication.ts'
import type { BackupDesk } from './backup-desk.ts'
import type { ReplicaNode } from './open-replica.ts'
import type { NodeTls } from './tls.ts'

/** What the doors of a node are made of. */
export interface NodeParts {
  readonly node: ReplicaNode
  readonly gateway: Gateway
  readonly platform: Platform
  /** The node for doors whose requests have no connection. */
  readonly core: ReplicaCore
  /** What all doors are busy with. */
  readonly requests: RunningRequests
  readonly authentication: Authentication
  readonly tls: NodeTls
  readonly version: string
  readonly backups: BackupDesk
  readonly httpLatency: LatencyHistogram
  /** The state of the links to the other members. */
  readonly links: () => readonly PeerLinkStatus[]
  /** An error that is a fault of this program. */
  readonly onFault: (error: unknown) => void
}
