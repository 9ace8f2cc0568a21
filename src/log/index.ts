/**
 * The one log: segments of checksummed frames, two lanes to the disk, votes, and a recovery that tells a torn end from a
 * suspect one and from damage. README.md tells the way in; docs/formats/log.md every byte.
 */
export { createLog, openLog } from './open-log.ts'
export type { LogOptions, Recovered } from './open-log.ts'
export type { Log } from './log.ts'
export type { LogFrame, LogState } from './log-settings.ts'
export { LogError } from './errors.ts'
export type { DamageKind, DamageReport, LogErrorCode } from './errors.ts'
export { LOG_BEGINNING, NO_HARD_STATE } from './positions.ts'
export type { ChainPoint, HardState, LogPosition } from './positions.ts'
export { NO_SUPERBLOCK } from './superblock-proof.ts'
export type { SuperblockProof } from './superblock-proof.ts'
export type { SuspectReport } from './suspects.ts'
export { IDLE_MARK_MS, IdleMarker } from './idle-mark.ts'
export { inspectLog } from './inspect.ts'
export type { FixedRegion, InspectOptions, InspectedFrame, LogInspection } from './inspect.ts'
export { startLogWriter } from './log-writer.ts'
export { LOG_WRITER_JOB } from './worker-lane.ts'
export { openDataDirectory, readIdentity } from './data-directory.ts'
export type { DataDirectory, DataDirectoryOptions, DirectoryIdentity, PageBytes } from './data-directory.ts'
export { CheckpointSchedule } from './checkpoint-schedule.ts'
export type { CheckpointScheduleOptions } from './checkpoint-schedule.ts'
