/** Backups of a running state, their restore, and archives of a directory in one file. */
export { extractArchive, writeArchive } from './archive.ts'
export type { ArchiveOptions, ArchiveSummary } from './archive.ts'
export { Codec } from './compression.ts'
export { createBackup } from './create.ts'
export type { BackupOptions, BackupSource } from './create.ts'
export type { BackupManifest } from './manifest.ts'
export { listBackups, restoreBackup, verifyBackup } from './restore.ts'
export type { FoundBackup, Restored, RestoreOptions } from './restore.ts'
