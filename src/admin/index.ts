/** The operators' port: probes, metrics, status and what can be done to a node, the console. */
export { authenticationMetrics } from './authentication-metrics.ts'
export { backupMetrics } from './backup-metrics.ts'
export type { BackupReadings } from './backup-metrics.ts'
export type { BackupActions, BackupPart, ContinuedBackup } from './backup-routes.ts'
export { certificateMetrics } from './certificate-metrics.ts'
export { AppliedLag, DEFAULT_LAG_LIMITS } from './applied-lag.ts'
export type { LagLimits } from './applied-lag.ts'
export { createAdminApp } from './app.ts'
export type { AdminActions, AdminOptions } from './app.ts'
export type { AdminApp, AdminPeer, AdminRoute } from './admin-app.ts'
export { groupMetrics } from './group-metrics.ts'
export type { GroupReadings, PeerReading } from './group-metrics.ts'
export { LocalRead } from './local-read.ts'
export { formatMetrics } from './metrics.ts'
export type { MetricFamily, MetricSample, MetricsSource } from './metrics.ts'
export { nodeMetrics } from './node-metrics.ts'
export type { DoorCounters } from './node-metrics.ts'
export { createStartingApp } from './probe-routes.ts'
export { describeStart, Probes } from './probes.ts'
export type { NodeHealth, StartPhase, StartReading } from './probes.ts'
export { processMetrics } from './process-metrics.ts'
export type { ProcessReadings } from './process-metrics.ts'
export { requestMetrics } from './request-metrics.ts'
export type { RequestReadings } from './request-metrics.ts'
export { storageMetrics } from './storage-metrics.ts'
export type {
  CheckpointReadings,
  DiskReadings,
  LogReadings,
  OpeningReading,
  PageReadings,
  StorageReadings,
} from './storage-metrics.ts'
