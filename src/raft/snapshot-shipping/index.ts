/** Ships snapshots between replicas: see README.md; the driver is src/raft/replica.ts. */
export { DEFAULT_LIMITS, type ShippingLimits, type ShippingOptions, type SnapshotMessage } from './options.ts'
export type { TransferProgress } from './progress.ts'
export { SnapshotShipping, type EndedTransfers, type ShippingProgress } from './snapshot-shipping.ts'
