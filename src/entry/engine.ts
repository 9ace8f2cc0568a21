/** `quorate/engine`: the embedded database on this machine's files. */
import { openEngine } from '../engine/index.ts'
import type { Engine as EngineDatabase, EngineOptions } from '../engine/index.ts'
import { nodePlatform } from '../platform/node/index.ts'

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
