/** The composition root: builds one node out of the rooms. */
export { DEFAULT_STORAGE, openReplicaNode } from './open-replica.ts'
export type { ReplicaNode, ReplicaNodeOptions, StorageOptions } from './open-replica.ts'
