/** Replicated state: a state machine of layers on one keyspace. */
export { DIGEST_INTERVAL } from './digest-records.ts'
export { REPLAY_ENTRIES_MAX } from './replay.ts'
export { EngineStateMachine } from './state-machine.ts'
export type { Origin, StateMachineTuning } from './machine-parts.ts'
export {
  findInconsistencies,
  inspectInvariants,
  inspectState,
  openStateMachine,
  requireContinuation,
  requireSuperblocks,
} from './open-state-machine.ts'
export type { StateMachineOptions } from './open-state-machine.ts'
export type { Inconsistency } from './invariants/index.ts'
export type { InspectedRegion } from './keyspace/index.ts'
export {
  archiveTarget,
  asParent,
  backupDirectory,
  backupSource,
  backupToDirectory,
  Codec,
  createBackup,
  exportDump,
  extractArchive,
  listBackups,
  parityOf,
  parityOfDirectory,
  parityOfDump,
  parityOfSource,
  readManifest,
  receiveArchive,
  receiveBackup,
  rehearseRestore,
  requireContinued,
  restoreBackup,
  restoreDump,
  restoreMember,
  signBackup,
  streamSource,
  verifyBackup,
  writeArchive,
} from './backup/index.ts'
export type {
  ArchiveOptions,
  ArchiveSource,
  ArchiveSummary,
  ArchiveTarget,
  BackupHead,
  BackupManifest,
  BackupOptions,
  BackupProgress,
  BackupSource,
  BackupTarget,
  BackupTask,
  ByteSink,
  DirectorySizes,
  DumpHeader,
  DumpSummary,
  FoundBackup,
  ParentBackup,
  Parity,
  Rehearsed,
  Restored,
  RestoredCluster,
  RestoredMember,
  RestoreOptions,
  RestorePoint,
} from './backup/index.ts'
export { openOffline } from './offline.ts'
export type { OfflineOptions, OfflineState } from './offline.ts'
export { openForReading } from './offline-core.ts'
export { PagedStore } from './paged-store.ts'
export type { PagedStoreOptions, StoredPage } from './paged-store.ts'
export { openEngine } from './engine.ts'
export { fileFailure, withoutFileErrors } from './file-failure.ts'
export { openPermissively } from './permissive.ts'
export type { PermissiveEngine, PermissiveOptions, RecoveryDiagnostic, RecoveryReport } from './permissive.ts'
export type { Engine } from './engine.ts'
export type { EngineOptions } from './engine-options.ts'
export type { CountSummary, EngineMetrics, MemoryUse, SyncReasons } from './engine-metrics.ts'
export type { LocalEntries } from './local-entries.ts'
export type { LocalKeys, LocalScan } from './local-keys.ts'
export type { LocalReads, LocalView } from './local-view.ts'
export type { ViewLimits } from './open-views.ts'
export type { Mutants as KeyspaceMutants } from './keyspace/index.ts'
