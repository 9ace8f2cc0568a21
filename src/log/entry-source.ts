import type { EntryBatch } from '../encoding/index.ts'
import type { ChecksumSeeds } from './checksum-seed.ts'
import type { EntryIndex } from './entry-index.ts'
import { EntryReader } from './entry-reader.ts'
import type { SegmentEnd } from './entry-reader.ts'
import { LogError } from './errors.ts'
import type { LogSettings } from './log-settings.ts'
import { TailCache } from './tail-cache.ts'

/** Where entries are read from: memory first, then the files. */
export class EntrySource {
  readonly cache: TailCache
  readonly reader: EntryReader

  constructor(settings: LogSettings, seeds: ChecksumSeeds, segmentEnd: SegmentEnd) {
    this.cache = new TailCache(settings.tailCacheBytes)
    this.reader = new EntryReader(settings.files, settings.directory, seeds, segmentEnd, settings.identity.seal)
  }

  /** See `Log.read`. `indexNow` gives the log's index at any moment: it may be replaced while files are read. */
  async read(indexNow: () => EntryIndex, fromSeq: number, maxBytes: number): Promise<EntryBatch> {
    for (;;) {
      const cached = this.cache.read(fromSeq, maxBytes)
      if (cached !== undefined) return cached
      const index = indexNow()
      if (fromSeq <= index.base.seq || fromSeq > index.lastSeq) {
        throw new LogError('seq_unavailable', `entry ${fromSeq} is outside (${index.base.seq}, ${index.lastSeq}]`)
      }
      const batch = await this.#readFiles(indexNow, fromSeq, maxBytes)
      if (batch !== undefined) return batch
    }
  }

  /** Undefined if what was read was truncated or dropped meanwhile. */
  async #readFiles(indexNow: () => EntryIndex, fromSeq: number, maxBytes: number): Promise<EntryBatch | undefined> {
    const index = indexNow()
    const cachedFrom = this.cache.firstSeq
    const lastSeq = cachedFrom === undefined ? index.lastSeq : Math.min(index.lastSeq, cachedFrom - 1)
    const lastChain = index.chainAt(lastSeq)
    const isUnchanged = (): boolean =>
      index === indexNow() && index.chainAt(lastSeq) === lastChain && fromSeq > index.base.seq
    try {
      const batch = await this.reader.read(index, fromSeq, lastSeq, maxBytes)
      return isUnchanged() ? batch : undefined
    } catch (error) {
      if (isUnchanged()) throw error
      return undefined
    }
  }
}
