import type { Digest64 } from '../../encoding/index.ts'
import { compareBytes } from '../../encoding/index.ts'
import { childChecksum, childIndex, childPage, childSeq } from './branch.ts'
import { Cold } from './cold.ts'
import { readExtentPointer } from './extents.ts'
import { cellCount, copyKey, PageRef, pageLevel, searchPage } from './page.ts'
import { RecordRef } from './record.ts'
import type { Root } from './roots.ts'
import type { Storage } from './storage.ts'

/** A record as it travels between replicas. */
export interface ImageRecord {
  readonly key: Uint8Array
  readonly versionSeq: number
  readonly createdSeq: number
  readonly expiresAtMicros: number
  /** The value, unless it is large. */
  readonly value: Uint8Array | undefined
  readonly large: LargeValue | undefined
}

/** A value in an extent: named by what it is, not by where it lies. */
export interface LargeValue {
  readonly length: number
  readonly digest: Digest64
  /** Whether the receiver may lack it: its version is later than what the receiver has, or its range counts as damaged. */
  readonly travels: boolean
}

/**
 * All records of the range [lower, upper) and the seq of the last change in it. Logical: a receiver replaces the range,
 * whatever its own pages look like.
 */
export interface LeafImage {
  readonly lower: Uint8Array
  /** undefined = to the end of the keyspace. */
  readonly upper: Uint8Array | undefined
  readonly seq: number
  readonly records: ImageRecord[]
}

export interface KeyRange {
  readonly lower: Uint8Array
  readonly upper: Uint8Array | undefined
}

export interface ChangedSinceOptions {
  /** Go on from this fence: the upper one of the last image that arrived. */
  readonly from?: Uint8Array
  /** Ranges that the receiver cannot read: they count as changed, large values included. */
  readonly damaged?: readonly KeyRange[]
}

function overlaps(range: KeyRange, lower: Uint8Array, upper: Uint8Array | undefined): boolean {
  if (upper !== undefined && compareBytes(range.lower, upper) >= 0) return false
  return range.upper === undefined || compareBytes(lower, range.upper) < 0
}

/**
 * The walk of changedSince: from fence to fence, each step from the root down, so that it holds no page and can go on from any
 * fence. A pointer's seq prunes everything below that did not change.
 */
export class ImageWalk {
  readonly #storage: Storage
  readonly #root: Root
  readonly #since: number
  readonly #damaged: readonly KeyRange[]
  readonly #ref: PageRef
  readonly #record: RecordRef = new RecordRef()
  #from: Uint8Array | undefined

  constructor(storage: Storage, root: Root, since: number, options: ChangedSinceOptions) {
    this.#storage = storage
    this.#root = root
    this.#since = since
    this.#damaged = options.damaged ?? []
    this.#ref = new PageRef(storage.pageBytes)
    this.#from = options.from ?? new Uint8Array(0)
    if (!this.#isWanted(root.pageSeq, this.#from, undefined)) this.#from = undefined
  }

  /** The next changed leaf; undefined at the end; `Cold` if a page is missing: load it and call again. */
  next(): LeafImage | undefined | Cold {
    while (this.#from !== undefined) {
      const found = this.#step(this.#from)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** One way down from the root; undefined if it ended in something unchanged, behind which `#from` then lies. */
  #step(from: Uint8Array): LeafImage | undefined | Cold {
    const { table, cold } = this.#storage
    const ref = this.#ref
    let upper: Uint8Array | undefined
    let seq = this.#root.pageSeq
    let page = this.#root.page
    let checksum = 0
    for (;;) {
      if (!table.locate(page, ref)) return cold.only(page, checksum)
      if (pageLevel(ref) === 0) break
      const count = cellCount(ref)
      let index = childIndex(ref, from, from.length)
      let fence = index + 1 < count ? copyKey(ref, index + 1) : upper
      while (!this.#isWanted(childSeq(ref, index), from, fence)) {
        if (index + 1 >= count) {
          this.#from = upper
          return undefined
        }
        index++
        from = fence!
        this.#from = from
        fence = index + 1 < count ? copyKey(ref, index + 1) : upper
      }
      upper = fence
      seq = childSeq(ref, index)
      page = childPage(ref, index)
      checksum = childChecksum(ref, index)
    }
    this.#from = upper
    return { lower: from, upper, seq, records: this.#records(from, upper) }
  }

  #isWanted(seq: number, lower: Uint8Array, upper: Uint8Array | undefined): boolean {
    return seq > this.#since || this.#damaged.some(range => overlaps(range, lower, upper))
  }

  #records(from: Uint8Array, upper: Uint8Array | undefined): ImageRecord[] {
    const ref = this.#ref
    const isDamaged = this.#damaged.some(range => overlaps(range, from, upper))
    const start = searchPage(ref, from, from.length, 0)
    // One copy of the page, of which the values are views.
    const { base, size } = ref
    const page = ref.bytes.slice(base, base + size)
    const records: ImageRecord[] = []
    for (let i = start >= 0 ? start : ~start; i < cellCount(ref); i++) {
      const record = this.#record
      record.read(ref, i)
      const { versionSeq, createdSeq, expiresAtMicros } = record
      const key = copyKey(ref, i)
      if (record.isLarge) {
        const { length, digest } = readExtentPointer(record.bytes, record.valueAt)
        const travels = isDamaged || versionSeq > this.#since
        const large = { length, digest, travels }
        records.push({ key, versionSeq, createdSeq, expiresAtMicros, value: undefined, large })
      } else {
        const at = record.valueAt - base
        const value = page.subarray(at, at + record.valueBytes)
        records.push({ key, versionSeq, createdSeq, expiresAtMicros, value, large: undefined })
      }
    }
    return records
  }
}
