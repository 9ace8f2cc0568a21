/** `quorate/engine`: the embedded database on this machine's files. */
import {
  backupDirectory as backUp,
  exportDump as dump,
  extractArchive as extract,
  listBackups as list,
  openEngine,
  openForReading as openReader,
  openPermissively,
  PagedStore as PageFile,
  parityOf as parity,
  readManifest,
  receiveBackup as receive,
  rehearseRestore as rehearse,
  restoreBackup as restore,
  restoreDump as restoreFromDump,
  restoreMember as restoreOne,
  signBackup as sign,
  streamSource,
  verifyBackup as verify,
  withoutFileErrors,
  writeArchive as write,
} from '../engine/index.ts'
import type {
  ArchiveOptions,
  ArchiveSummary,
  BackupManifest,
  BackupOptions,
  Codec,
  DirectorySizes,
  DumpSummary,
  Engine as EngineDatabase,
  EngineOptions,
  FoundBackup,
  OfflineOptions,
  PagedStoreOptions,
  Parity,
  PermissiveEngine,
  PermissiveOptions,
  Rehearsed,
  Restored,
  RestoredCluster,
  RestoreOptions,
} from '../engine/index.ts'
import { rotateKeys as rotate } from '../log/index.ts'
import type { Database } from '../model/index.ts'
import type { ConfiguredKeys } from '../sealing/index.ts'
import { nodeFiles, nodePlatform, nodeRandom } from '../platform/node/index.ts'

export type Engine = EngineDatabase

export const Engine: {
  /**
   * Opens the database in `directory`, creating it where there is none.
   * @throws QuorateError `directory_locked`, `damaged`, `storage_failed`, `seal_key_missing`, `seal_key_wrong`, `not_sealed`
   */
  open(directory: string, options?: EngineOptions): Promise<EngineDatabase>
  /**
   * Opens what can be proven of a damaged directory, for reading (docs/guide/storage.md); `recovery` says what does not hold. The directory is
   * marked: `open` refuses it (`untrusted_directory`) until an operator has decided with `quorate check data --accept`.
   * @throws QuorateError `not_found`, `directory_locked`, `invalid_argument` if it belongs to a node of a cluster, `damaged` if nothing can be
   * proven; about keys as `open`
   */
  openPermissively(directory: string, options?: PermissiveOptions): Promise<PermissiveEngine>
} = {
  open: (directory, options = {}) => withoutFileErrors(openEngine(directory, options, nodePlatform())),
  openPermissively: (directory, options = {}) =>
    withoutFileErrors(openPermissively(directory, options, nodePlatform())),
}

/**
 * Gives an encrypted data directory that nobody has open a new data key: everything that is written from its next opening on is encrypted by
 * it, and what is there stays readable (docs/operate/encryption.md). Answers the number of the key.
 * @throws QuorateError `not_found`, `seal_key_missing`, `seal_key_wrong`, `not_sealed`; `directory_locked`
 */
export function rotateKeys(directory: string, keys: ConfiguredKeys): Promise<number> {
  const { files, random, ciphers } = nodePlatform()
  return withoutFileErrors(rotate({ files, random, ciphers, path: directory, keys }))
}

/** A file of pages that are appended and never changed (docs/formats/paged-store.md). */
export type PagedStore = PageFile

export const PagedStore: {
  /**
   * Opens the file, creating it where there is none; its directory exists.
   * @throws QuorateError `invalid_argument` for impossible sizes or those of another file; `damaged` naming file and offset
   */
  open(path: string, options: PagedStoreOptions): Promise<PageFile>
} = {
  open: (path, options) => withoutFileErrors(PageFile.open(nodeFiles(), path, options)),
}

/**
 * Writes all files below a directory into one file, packed and, with a key, encrypted (docs/formats/archive.md). `codec`: 0 stored, 1
 * deflate, 2 zstd; the best that this version of Node has if not given.
 * @throws QuorateError `invalid_argument` for a key that has not 32 bytes; `already_exists`
 */
export function writeArchive(
  directory: string,
  archive: string,
  options: ArchiveOptions & { codec?: Codec } = {},
): Promise<ArchiveSummary> {
  return withoutFileErrors(write({ files: nodeFiles(), random: nodeRandom() }, directory, archive, options))
}

/**
 * Writes the files of an archive into a directory that is empty or not there yet, and syncs them; where anything is wrong, none.
 * @throws QuorateError `invalid_argument` without the key that it needs, or if the directory is not empty; `damaged` naming the place, also
 * for another key; `unsupported_version`
 */
export function extractArchive(
  archive: string,
  directory: string,
  options: ArchiveOptions = {},
): Promise<ArchiveSummary> {
  return withoutFileErrors(extract(nodeFiles(), archive, directory, options))
}

/**
 * Makes a data directory of a full backup and the incremental ones that continue it, given in that order; it begins a history of its own, for
 * `Engine.open`. An interrupted restore may simply be repeated.
 * @throws QuorateError `invalid_argument` if these are no chain or the directory is not empty; `seq_unavailable` with what can be restored;
 * `damaged` naming the file
 */
export function restoreBackup(
  backups: readonly string[],
  directory: string,
  options: RestoreOptions = {},
): Promise<Restored> {
  return withoutFileErrors(restore(nodePlatform(), backups, directory, options))
}

/**
 * Makes the data directory of the member `name` of a new cluster. Members that are restored of the same backups to the same point with the same
 * list and `restoreId`, on whatever machine, belong together; a `restoreId` is good for one restore of each member.
 * @throws as `restoreBackup`; QuorateError `invalid_argument` for members that make no group, or a name that is none of them
 */
export function restoreMember(
  backups: readonly string[],
  directory: string,
  name: string,
  cluster: RestoredCluster,
  options: RestoreOptions = {},
): Promise<Restored> {
  return withoutFileErrors(restoreOne(nodePlatform(), backups, directory, name, cluster, options))
}

/**
 * Restores a chain of backups into `scratch`, an empty directory or one that is not there yet, reads everything back and compares it with the
 * digests of the backup, and removes the directory again: what a restore would do, done.
 * @throws as `restoreBackup`
 */
export function rehearseRestore(
  backups: readonly string[],
  scratch: string,
  options: RestoreOptions = {},
): Promise<Rehearsed> {
  return withoutFileErrors(rehearse(nodePlatform(), backups, scratch, options))
}

/**
 * Compares every file and record of a backup with its checksum. `key`: what its manifest was signed with.
 * @throws QuorateError `not_found` where there is no finished backup; `damaged` naming the file; `invalid_argument` without the key
 */
export function verifyBackup(directory: string, key?: Uint8Array): Promise<BackupManifest> {
  return withoutFileErrors(verify({ files: nodeFiles() }, directory, key))
}

/**
 * Opens the directory of an embedded database or of a cluster's node that nobody serves, to be read: its state as of the last entry that is
 * certainly committed. Nothing is added to it, writes are refused (`invalid_argument`).
 * @throws QuorateError `not_found` if it is no data directory; `damaged` naming file and offset; `seq_unavailable`; `directory_locked`
 */
export function openForReading(directory: string, options: OfflineOptions = {}): Promise<Database> {
  return withoutFileErrors(openReader(directory, nodePlatform(), options))
}

/** A backup of a directory that nobody serves, of an embedded database or of a cluster's node. @throws as `openForReading` and `Engine.backup` */
export function backupDirectory(
  data: string,
  directory: string,
  options: BackupOptions & OfflineOptions = {},
): Promise<BackupManifest> {
  return withoutFileErrors(backUp(nodePlatform(), data, directory, options))
}

/**
 * Writes all records of a directory that nobody serves into one file, independent of pages (docs/formats/dump.md).
 * @throws as `openForReading`; QuorateError `already_exists`
 */
export function exportDump(directory: string, file: string, options: OfflineOptions = {}): Promise<DumpSummary> {
  return withoutFileErrors(dump(nodePlatform(), directory, file, options))
}

/**
 * Makes a data directory of a dump, for `Engine.open`; it begins a history of its own.
 * @throws QuorateError `damaged`, `unsupported_version`, `not_found` of the dump; `invalid_argument` if the directory is not empty
 */
export function restoreDump(
  file: string,
  directory: string,
  sizes: DirectorySizes = {},
): Promise<Restored & { parity: Parity }> {
  return withoutFileErrors(restoreFromDump(nodePlatform(), file, directory, sizes))
}

/** What a directory that nobody serves, or a dump, holds, as checksums that others with the same records have alike. @throws as `exportDump` */
export function parityOf(path: string, options: OfflineOptions = {}): Promise<DumpSummary> {
  return withoutFileErrors(parity(nodePlatform(), path, options))
}

/** What the finished backup in `directory` says of itself; its files are not looked at. @throws as `verifyBackup` */
export function readBackup(directory: string, key?: Uint8Array): Promise<BackupManifest> {
  return withoutFileErrors(readManifest(nodeFiles(), directory, key))
}

/**
 * Takes a backup that a node sends (`POST /admin/v1/backups/stream`) into `directory`, which is empty or not there yet, and compares it with its
 * sums. With `key` its manifest is signed. `from`: whom to name where something is wrong; the directory is empty again then.
 * @throws QuorateError as the node says; `damaged` where bytes are wrong or missing; `storage_failed`, `out_of_space` where the disk fails
 */
export function receiveBackup(
  from: string,
  parts: AsyncIterable<Uint8Array>,
  directory: string,
  key?: Uint8Array,
): Promise<BackupManifest> {
  return withoutFileErrors(receive(nodeFiles(), streamSource(from, parts), directory, key))
}

/** Signs a backup that is not signed yet, once everything in it was compared with its sums. @throws as `verifyBackup` */
export function signBackup(directory: string, key: Uint8Array): Promise<BackupManifest> {
  return withoutFileErrors(sign(nodeFiles(), directory, key))
}

/** The finished backups in `root` or right below, by the time they were taken. Only manifests are read. @throws as `verifyBackup` */
export function listBackups(root: string, key?: Uint8Array): Promise<FoundBackup[]> {
  return withoutFileErrors(list({ files: nodeFiles() }, root, key))
}

export type {
  ArchiveOptions,
  ArchiveSummary,
  BackupManifest,
  BackupOptions,
  BackupHead,
  DirectorySizes,
  DumpHeader,
  DumpSummary,
  FoundBackup,
  OfflineOptions,
  Parity,
  Rehearsed,
  Restored,
  RestoredCluster,
  RestoredMember,
  RestoreOptions,
  RestorePoint,
} from '../engine/index.ts'
export type { PagedStoreOptions, StoredPage } from '../engine/index.ts'
export type {
  CountSummary,
  EngineMetrics,
  EngineOptions,
  SyncReasons,
  MemoryUse,
  LocalEntries,
  LocalKeys,
  LocalReads,
  LocalScan,
  LocalView,
  ViewLimits,
} from '../engine/index.ts'
export type { PermissiveEngine, PermissiveOptions, RecoveryDiagnostic, RecoveryReport } from '../engine/index.ts'
export type { ConfiguredKeys } from '../sealing/index.ts'
export * from '../model/index.ts'
