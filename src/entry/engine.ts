/** `quorate/engine`: the embedded database on this machine's files. */
import { openEngine, PagedStore as PageFile } from '../engine/index.ts'
import type { Engine as EngineDatabase, EngineOptions, PagedStoreOptions } from '../engine/index.ts'
import { nodeFiles, nodePlatform } from '../platform/node/index.ts'

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
