/** Backups, and archives of a directory in one file. */
export { extractArchive, writeArchive } from './archive.ts'
export type { ArchiveOptions, ArchiveSummary } from './archive.ts'
export { Codec } from './compression.ts'
