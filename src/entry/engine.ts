/** `quorate/engine`: the embedded database on this machine's files. */
import {
  extractArchive as extract,
  openEngine,
  PagedStore as PageFile,
  writeArchive as write,
} from '../engine/index.ts'
import type {
  ArchiveOptions,
  ArchiveSummary,
  Codec,
  Engine as EngineDatabase,
  EngineOptions,
  PagedStoreOptions,
} from '../engine/index.ts'
import { nodeFiles, nodePlatform, nodeRandom } from '../platform/node/index.ts'

export type Engine = EngineDatabase

export const Engine: {
  /**
   * Opens the database in `directory`, creating it where there is none.
   * @throws QuorateError `directory_locked`, `damaged`, `storage_failed`
   */
  open(directory: string, options?: EngineOptions): Promise<EngineDatabase>
} = {
  open: (directory, options = {}) => openEngine(directory, options, nodePlatform()),
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
  open: (path, options) => PageFile.open(nodeFiles(), path, options),
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
  return write({ files: nodeFiles(), random: nodeRandom() }, directory, archive, options)
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
  return extract(nodeFiles(), archive, directory, options)
}

export type { ArchiveOptions, ArchiveSummary } from '../engine/index.ts'
export type { PagedStoreOptions, StoredPage } from '../engine/index.ts'
export type {
  EngineMetrics,
  EngineOptions,
  Head,
  MemoryUse,
  LocalEntries,
  LocalKeys,
  LocalReads,
  LocalScan,
  LocalView,
} from '../engine/index.ts'
export * from '../model/index.ts'
