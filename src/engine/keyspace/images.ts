import { compareBytes } from '../../encoding/index.ts'
import { invariant } from './assert.ts'
import { lowerBound } from './base-tree.ts'
import { childChecksum, childIndex, childPage, childSeq } from './branch.ts'
import type { Cold } from './cold.ts'
import { extentPages, readExtentPointer } from './extents.ts'
import type { ExtentPointer } from './extents.ts'
import { CHECKSUM_KNOWN } from './frames.ts'
import {
  copyRun,
  imageHeaderBytes,
  imageRecordBytes,
  ImageWriter,
  LARGE_REFERENCE_BYTES,
  writeLargeReference,
} from './image-bytes.ts'
import { EXTENT_POINTER_BYTES, PAGE_HEADER_BYTES } from './layout.ts'
import type { PageFile } from './page-file.ts'
import { pageIn, readPlaces } from './read-places.ts'
import type { Place } from './read-places.ts'
import {
  cellCount,
  copyKey,
  PageRef,
  pageLevel,
  payloadAt,
  payloadLength,
  prefixLength,
  readSuffix,
  suffixLength,
} from './page.ts'
import { RecordRef } from './record.ts'
import type { Root } from './roots.ts'
import type { Storage } from './storage.ts'

/** Leaves that are read from the file at a time, past the cache: a snapshot of everything must not push out what is in use. */
const AHEAD_BYTES = 256 << 10

export interface KeyRange {
  readonly lower: Uint8Array
  readonly upper: Uint8Array | undefined
}

export interface ChangedSinceOptions {
  /** Go on from this fence: that of the last chunk that arrived. */
  readonly from?: Uint8Array
  /** Ranges that the receiver cannot read: they count as changed, large values included. */
  readonly damaged?: readonly KeyRange[]
}

/** Whole images (docs/formats/snapshot.md). */
export interface ImageChunk {
  readonly bytes: Uint8Array
  /** The upper fence of its last image; empty at the end of the keyspace. */
  readonly fence: Uint8Array
}

/** What a scan needs of its view. */
export interface ScanSource {
  readonly storage: Storage
  readonly root: Root
  readonly file: PageFile
  load(cold: Cold): Promise<void>
  isOpen(): boolean
}

/**
 * All that changed after `since`, as images in key order; 0 gives everything. Complete, and nothing that is too much is wrong: a
 * receiver at `since` that applies all of it has this root's records. Each step goes down from the root, so that no page is held and
 * a scan can go on from any fence; a pointer's seq prunes everything below that did not change. A range is cut where a chunk is full.
 */
export class ImageScan {
  readonly #source: ScanSource
  readonly #since: number
  readonly #damaged: readonly KeyRange[]
  /** Leaves and large values that were read past the cache and not yet sent, by page. */
  readonly #leaves: Map<number, PageRef> = new Map()
  readonly #values: Map<number, Uint8Array> = new Map()
  readonly #record: RecordRef = new RecordRef()
  readonly #ref: PageRef
  #from: Uint8Array | undefined
  /** What the step ended at: the leaf, its page, fence and seq. */
  #leaf: PageRef
  #page = 0
  #upper: Uint8Array | undefined
  #seq = 0
  readonly #ahead: Uint8Array = new Uint8Array(AHEAD_BYTES)
  #aheadUsed = 0
  /** Leaves to be read next. */
  readonly #planned: Place[] = []

  constructor(source: ScanSource, since: number, options: ChangedSinceOptions) {
    this.#source = source
    this.#since = since
    this.#damaged = options.damaged ?? []
    this.#ref = new PageRef(source.storage.pageBytes)
    this.#leaf = this.#ref
    this.#from = options.from ?? new Uint8Array(0)
    if (!this.#isWanted(source.root.pageSeq, this.#from, undefined)) this.#from = undefined
  }

  /** The next images, about `targetBytes` of them; undefined at the end. Rejects with `PageDamage`. */
  async next(targetBytes: number): Promise<ImageChunk | undefined> {
    const source = this.#source
    const writer = new ImageWriter(targetBytes + source.storage.pageBytes)
    while (this.#from !== undefined && (writer.isEmpty || writer.length < targetBytes)) {
      invariant(source.isOpen(), 'the view is closed')
      const step = this.#step(this.#from)
      if (step === 'passed') continue
      if (step === 'ahead') await this.#readLeaves()
      else if (step === 'leaf') await this.#send(writer, targetBytes)
      else await source.load(step)
    }
    if (writer.isEmpty) return undefined
    return { bytes: writer.finish(), fence: this.#from?.slice() ?? new Uint8Array(0) }
  }

  /** One way down from the root: to a leaf; to one that has to be read; or past something unchanged, behind which `#from` then lies. */
  #step(from: Uint8Array): 'leaf' | 'ahead' | 'passed' | Cold {
    const { storage, root } = this.#source
    const { table, cold } = storage
    const ref = this.#ref
    this.#leaf = ref
    this.#upper = undefined
    this.#seq = root.pageSeq
    this.#page = root.page
    if (!table.locate(root.page, ref)) return cold.only(root.page, 0)
    while (pageLevel(ref) > 0) {
      const count = cellCount(ref)
      let index = childIndex(ref, from, from.length)
      let fence: Uint8Array | undefined = index + 1 < count ? copyKey(ref, index + 1) : this.#upper
      while (!this.#isWanted(childSeq(ref, index), from, fence)) {
        if (index + 1 >= count) {
          this.#from = this.#upper
          return 'passed'
        }
        index++
        from = fence!
        this.#from = from
        fence = index + 1 < count ? copyKey(ref, index + 1) : this.#upper
      }
      const isAboveLeaves = pageLevel(ref) === 1
      this.#upper = fence
      this.#seq = childSeq(ref, index)
      this.#page = childPage(ref, index)
      const checksum = childChecksum(ref, index)
      const ahead = this.#leaves.get(this.#page)
      if (ahead !== undefined) {
        this.#leaf = ahead
        return 'leaf'
      }
      if (table.isResident(this.#page)) table.locate(this.#page, ref)
      else if (isAboveLeaves) return this.#planAhead(index)
      else return cold.only(this.#page, checksum)
    }
    return 'leaf'
  }

  /** The leaves of the branch at hand, from child `index` on, that will be sent and are not in memory. */
  #planAhead(index: number): 'ahead' {
    const ref = this.#ref
    const { storage } = this.#source
    const { table, pageBytes } = storage
    this.#planned.length = 0
    const most = Math.max(1, AHEAD_BYTES / pageBytes)
    for (let i = index; i < cellCount(ref) && this.#planned.length < most; i++) {
      const page = childPage(ref, i)
      const isWanted = childSeq(ref, i) > this.#since || i === index
      if (!isWanted || table.isResident(page) || this.#leaves.has(page)) continue
      const isKnown = (table.state[page]! & CHECKSUM_KNOWN) !== 0
      const checksum = isKnown ? table.checksumOf(page) : childChecksum(ref, i)
      this.#planned.push({ page, pages: 1, bytes: pageBytes, checksum })
    }
    return 'ahead'
  }

  async #readLeaves(): Promise<void> {
    const { file } = this.#source
    // Whatever was read before has been sent, unless a fence was moved: only then is more memory needed.
    const isSpent = this.#leaves.size === 0
    this.#aheadUsed = isSpent ? 0 : AHEAD_BYTES
    for (const [wanted, bytes] of await readPlaces(file, this.#planned.slice(), length => this.#aheadBuffer(length))) {
      file.verify(bytes, wanted.page, wanted.checksum, 'tree', false)
      this.#leaves.set(wanted.page, pageIn(bytes))
    }
  }

  /** A piece of the memory that is kept for leaves, or memory of its own. */
  #aheadBuffer(length: number): Uint8Array {
    const at = this.#aheadUsed
    if (at + length > AHEAD_BYTES) return new Uint8Array(length)
    this.#aheadUsed = at + length
    return this.#ahead.subarray(at, at + length)
  }

  /** Sends what of the leaf fits, once its large values are at hand. */
  async #send(writer: ImageWriter, targetBytes: number): Promise<void> {
    const from = this.#from!
    const start = lowerBound(this.#leaf, from)
    const { stop, missing } = this.#plan(writer, start, targetBytes)
    if (missing.length > 0) {
      const { file } = this.#source
      for (const [wanted, bytes] of await readPlaces(file, missing)) {
        this.#values.set(wanted.page, file.verifyExtent(bytes, wanted.page, wanted.checksum))
      }
      return
    }
    const isAll = stop === cellCount(this.#leaf)
    const upper = isAll ? this.#upper : copyKey(this.#leaf, stop)
    this.#write(writer, from, upper, start, stop)
    if (isAll) this.#leaves.delete(this.#page)
    this.#from = upper
  }

  /** Before which cell the image ends, and which large values have to be read first. */
  #plan(writer: ImageWriter, start: number, targetBytes: number): { stop: number; missing: Place[] } {
    const leaf = this.#leaf
    const count = cellCount(leaf)
    const missing: Place[] = []
    let bytes = writer.length + imageHeaderBytes(this.#from!, this.#upper, prefixLength(leaf))
    let stop = start
    for (; stop < count && (stop === start || bytes < targetBytes); stop++) {
      const record = this.#record
      record.read(leaf, stop)
      let value = 0
      if (record.isLarge && this.#travels(record.versionSeq)) {
        const pointer = readExtentPointer(record.bytes, record.valueAt)
        value = pointer.length
        if (this.#valueOf(pointer) === undefined) missing.push(this.#wanted(pointer))
      }
      bytes += imageRecordBytes(suffixLength(leaf, stop), payloadLength(leaf, stop), value)
    }
    return { stop, missing }
  }

  #travels(versionSeq: number): boolean {
    return versionSeq > this.#since || this.#damaged.some(range => overlaps(range, this.#from!, this.#upper))
  }

  #valueOf(pointer: ExtentPointer): Uint8Array | undefined {
    return this.#values.get(pointer.page) ?? this.#source.storage.extents.entry(pointer.page)?.bytes
  }

  #wanted({ page, length, checksum }: ExtentPointer): Place {
    const pages = extentPages(length, this.#source.storage.pageBytes)
    return { page, pages, bytes: PAGE_HEADER_BYTES + length, checksum }
  }

  /** hot path (bench/snapshot): the cells [start, stop) of the leaf as one image. */
  #write(writer: ImageWriter, lower: Uint8Array, upper: Uint8Array | undefined, start: number, stop: number): void {
    const leaf = this.#leaf
    const prefixBytes = prefixLength(leaf)
    const prefixAt = leaf.base + leaf.size - prefixBytes
    writer.begin(lower, upper, this.#seq, stop - start, leaf.bytes.subarray(prefixAt, prefixAt + prefixBytes))
    for (let i = start; i < stop; i++) {
      const payload = payloadLength(leaf, i)
      const from = payloadAt(leaf, i)
      const suffix = suffixLength(leaf, i)
      const record = this.#record
      record.read(leaf, i)
      if (record.isLarge) {
        this.#writeLarge(writer, i, suffix)
        continue
      }
      const at = writer.record(suffix, payload)
      const bytes = writer.room(0)
      readSuffix(leaf, i, bytes, at)
      copyRun(bytes, at + suffix, leaf.bytes, from, payload)
    }
  }

  #writeLarge(writer: ImageWriter, index: number, suffix: number): void {
    const leaf = this.#leaf
    const record = this.#record
    const header = payloadLength(leaf, index) - EXTENT_POINTER_BYTES
    const pointer = readExtentPointer(record.bytes, record.valueAt)
    const travels = this.#travels(record.versionSeq)
    const at = writer.record(suffix, header + LARGE_REFERENCE_BYTES)
    const bytes = writer.room(0)
    readSuffix(leaf, index, bytes, at)
    copyRun(bytes, at + suffix, leaf.bytes, payloadAt(leaf, index), header)
    const { lo, hi } = pointer.digest
    writeLargeReference(bytes, at + suffix + header, pointer.length, lo, hi, travels)
    if (!travels) return
    writer.value(this.#valueOf(pointer)!)
    this.#values.delete(pointer.page)
  }

  #isWanted(seq: number, lower: Uint8Array, upper: Uint8Array | undefined): boolean {
    return seq > this.#since || this.#damaged.some(range => overlaps(range, lower, upper))
  }
}

function overlaps(range: KeyRange, lower: Uint8Array, upper: Uint8Array | undefined): boolean {
  if (upper !== undefined && compareBytes(range.lower, upper) >= 0) return false
  return range.upper === undefined || compareBytes(lower, range.upper) < 0
}
