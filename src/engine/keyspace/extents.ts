import type { Digest64 } from '../../encoding/index.ts'
import { readU32, readU64, writeU32, writeU64 } from '../../encoding/index.ts'
import { readChecksum, writeChecksum } from './checksum.ts'
import type { Checksum } from './checksum.ts'
import {
  AT_BIRTH,
  AT_FORMAT,
  AT_KIND,
  AT_PAGE,
  EXTENT_BIRTH,
  EXTENT_CHECKSUM,
  EXTENT_DIGEST,
  EXTENT_LENGTH,
  EXTENT_POINTER_BYTES,
  PAGE_FORMAT,
  PAGE_HEADER_BYTES,
  PageKind,
} from './layout.ts'

/** Where a large value lies: a run of pages of its own. */
export interface ExtentPointer {
  page: number
  length: number
  birth: number
  digest: Digest64
  checksum: Checksum
}

export interface CachedExtent {
  readonly page: number
  readonly bytes: Uint8Array
  readonly birth: number
  /** dirty: not written yet; writing: handed to the file; clean: on file. */
  state: 'dirty' | 'writing' | 'clean'
  /** How many times it is spared when memory is short: whoever waited for it must get to see it. */
  spared: number
}

export function extentPages(length: number, pageBytes: number): number {
  return Math.ceil((PAGE_HEADER_BYTES + length) / pageBytes)
}

export function readExtentPointer(bytes: Uint8Array, at: number): ExtentPointer {
  return {
    page: readU32(bytes, at),
    length: readU64(bytes, at + EXTENT_LENGTH),
    birth: readU64(bytes, at + EXTENT_BIRTH),
    digest: { lo: readU32(bytes, at + EXTENT_DIGEST), hi: readU32(bytes, at + EXTENT_DIGEST + 4) },
    checksum: readChecksum(bytes, at + EXTENT_CHECKSUM),
  }
}

export function writeExtentPointer(bytes: Uint8Array, at: number, pointer: ExtentPointer): void {
  bytes.fill(0, at, at + EXTENT_POINTER_BYTES)
  writeU32(bytes, at, pointer.page)
  writeU64(bytes, at + EXTENT_LENGTH, pointer.length)
  writeU64(bytes, at + EXTENT_BIRTH, pointer.birth)
  writeU32(bytes, at + EXTENT_DIGEST, pointer.digest.lo)
  writeU32(bytes, at + EXTENT_DIGEST + 4, pointer.digest.hi)
  writeChecksum(bytes, at + EXTENT_CHECKSUM, pointer.checksum)
}

/** The header in front of an extent's value. */
export function extentHeader(page: number, birth: number, length: number): Uint8Array {
  const header = new Uint8Array(PAGE_HEADER_BYTES)
  header[AT_KIND] = PageKind.extent
  header[AT_FORMAT] = PAGE_FORMAT
  writeU32(header, AT_PAGE, page)
  writeU64(header, AT_BIRTH, birth)
  writeU32(header, 4, length)
  return header
}

/**
 * Large values in memory: those not yet written, and recently used ones within a share of the budget. Least recently used
 * first in the map's order.
 */
export class ExtentCache {
  bytes = 0
  dirtyBytes = 0
  /** What may be kept of values that are on file. */
  bytesMax: number = Number.POSITIVE_INFINITY
  /** Values that the entry in the making has read: they stay until it has been applied. */
  readonly pinned: Set<number> = new Set()
  readonly #entries: Map<number, CachedExtent> = new Map()

  get(page: number): Uint8Array | undefined {
    const entry = this.#entries.get(page)
    if (entry === undefined) return undefined
    this.#entries.delete(page)
    this.#entries.set(page, entry)
    return entry.bytes
  }

  /** The value itself, to keep, if it alone is more than may be kept here: it is forgotten, and need not be copied. */
  handOver(page: number): Uint8Array | undefined {
    const entry = this.#entries.get(page)
    if (entry?.state !== 'clean' || entry.bytes.length <= this.bytesMax || this.pinned.has(page)) return undefined
    this.remove(page)
    return entry.bytes
  }

  entry(page: number): CachedExtent | undefined {
    return this.#entries.get(page)
  }

  add(entry: CachedExtent): void {
    this.remove(entry.page)
    this.#entries.set(entry.page, entry)
    this.bytes += entry.bytes.length
    if (entry.state !== 'clean') this.dirtyBytes += entry.bytes.length
  }

  markClean(entry: CachedExtent): void {
    if (entry.state !== 'clean') this.dirtyBytes -= entry.bytes.length
    entry.state = 'clean'
  }

  remove(page: number): void {
    const entry = this.#entries.get(page)
    if (entry === undefined) return
    this.#entries.delete(page)
    this.bytes -= entry.bytes.length
    this.markClean(entry) // whoever is about to write it must not: its place may be another's by then
  }

  /** Those not handed to the file yet, born in `epoch` or before. */
  dirty(epoch: number): CachedExtent[] {
    const found: CachedExtent[] = []
    if (this.dirtyBytes === 0) return found
    for (const entry of this.#entries.values()) if (entry.state === 'dirty' && entry.birth <= epoch) found.push(entry)
    return found
  }

  /** Forgets clean values, least recently used first, until at most `bytesMax` are held. */
  shrink(bytesMax: number): void {
    if (this.bytes <= bytesMax) return
    for (const entry of this.#entries.values()) {
      if (this.bytes <= bytesMax) return
      if (entry.state !== 'clean' || this.pinned.has(entry.page)) continue
      if (entry.spared > 0) entry.spared--
      else this.remove(entry.page)
    }
  }
}
