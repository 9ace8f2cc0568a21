/** Replication: a replica of the Raft group over a log, links and a state machine that are given to it. */
export type { LogHearer, MemberAddress, ReplicaOptions, RequestLimits } from './options.ts'
export type { ShippingLimits } from './snapshot-shipping/index.ts'
export { FenceFile } from './fence-file.ts'
export { Replica } from './replica.ts'
export { ReplicaCore } from './replica-core.ts'
export type { ReplicaCoreOptions } from './replica-core.ts'
/** For whoever listens to what replicas say to each other. */
export { isCoreMessage, PeerFrameCursor, readPeerMessage } from './wire/index.ts'
