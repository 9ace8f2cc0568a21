import { compareBytes, equalBytes } from '../../encoding/index.ts'
import type { Checksum } from './checksum.ts'
import { childChecksum, childIndex, childPage, childSeq } from './branch.ts'
import type { Cold } from './cold.ts'
import { CHECKSUM_KNOWN } from './frames.ts'
import { cellCount, copyKey, PageRef, pageLevel, payloadAt, payloadLength, readKey, searchPage } from './page.ts'
import { DEPTH_MAX } from './layout.ts'
import type { Place } from './read-places.ts'
import type { RunList } from './run-list.ts'
import type { Storage } from './storage.ts'
import type { TreeBuilder } from './tree-builder.ts'

const FIRST_KEY = new Uint8Array(0)

/**
 * The tree that an incremental install starts from, taken apart from left to right: what lies between two images goes over to the
 * builder, whole pages where that is possible. Pages that were looked into are not part of the new tree; they are gathered in `dead`
 * and stay as they are. All of the tree must have been handed to the file before, so that its pointers know its checksums.
 */
export class BaseTree {
  readonly #storage: Storage
  readonly #root: number
  readonly #rootSeq: number
  readonly #dead: RunList
  /** The leaf that `seek` found. */
  readonly leaf: PageRef
  leafSeq = 0
  /** The first key that does not belong to it; undefined at the right edge. */
  leafUpper: Uint8Array | undefined
  /** Leaves that were read ahead, past the cache: each is needed once. */
  readonly ahead: Map<number, PageRef> = new Map()
  /** What lies before is done; undefined = everything. */
  position: Uint8Array | undefined = FIRST_KEY
  /** The pages of the way down that were buried last: each is on it for one stretch only. */
  readonly #entered: Int32Array = new Int32Array(DEPTH_MAX)
  readonly #key: Uint8Array

  constructor(storage: Storage, root: number, rootSeq: number, dead: RunList) {
    this.#storage = storage
    this.#root = root
    this.#rootSeq = rootSeq
    this.#dead = dead
    this.leaf = new PageRef(storage.pageBytes)
    this.#key = new Uint8Array(storage.pageBytes)
  }

  /** Goes on with what lies from `position` on, for a later part of an install whose first part was done before. */
  resume(position: Uint8Array | undefined, path: readonly number[]): void {
    this.position = position
    for (const [depth, page] of path.entries()) this.#entered[depth] = page
  }

  /** The pages of the present way down, which are in `dead` already. */
  get path(): number[] {
    return Array.from(this.#entered)
  }

  /** Whether there is something between `position` and `key`; undefined = the end. */
  isBefore(key: Uint8Array | undefined): boolean {
    return this.position !== undefined && (key === undefined || compareBytes(this.position, key) < 0)
  }

  /** One step towards `to` (undefined = the end): hands one page or the rest of a leaf to `builder`. `Cold` if a page is missing. */
  copyTowards(to: Uint8Array | undefined, builder: TreeBuilder): Cold | undefined {
    const position = this.position!
    const cold = this.#descend(position, (level, lower, upper, page, seq, checksum) => {
      const isInside = upper === undefined ? to === undefined : to === undefined || compareBytes(upper, to) <= 0
      if (!isInside || !equalBytes(lower, position) || !builder.takes(level)) return false
      builder.addPage(level, position, { page, seq, checksum })
      this.position = upper
      return true
    })
    if (cold === null) return undefined
    if (cold !== undefined) return cold
    const { leaf, leafUpper } = this
    const isLast = to === undefined || (leafUpper !== undefined && compareBytes(leafUpper, to) <= 0)
    const upper = isLast ? leafUpper : to
    const end = upper === undefined ? cellCount(leaf) : lowerBound(leaf, upper)
    builder.beginRange(position, this.leafSeq)
    for (let i = lowerBound(leaf, position); i < end; i++) {
      const length = readKey(leaf, i, this.#key)
      builder.add(this.#key, length, leaf.bytes, payloadAt(leaf, i), payloadLength(leaf, i))
    }
    this.position = upper
    return undefined
  }

  /** Points `leaf` at the one that holds `position`, whose records the caller replaces. `Cold` if a page is missing. */
  seek(): Cold | undefined {
    return this.#descend(this.position!, () => false) ?? undefined
  }

  /** Adds the leaf of `key` to `places` if it has to be read, and changes nothing. `Cold` if a branch above it is missing. */
  probe(key: Uint8Array, places: Place[]): Cold | undefined {
    const { table, cold, pageBytes } = this.#storage
    const ref = this.leaf
    if (!table.locate(this.#root, ref)) return cold.only(this.#root, 0)
    while (pageLevel(ref) > 0) {
      const index = childIndex(ref, key, key.length)
      const page = childPage(ref, index)
      const isKnown = (table.state[page]! & CHECKSUM_KNOWN) !== 0
      const checksum = isKnown ? table.checksumOf(page) : childChecksum(ref, index)
      const isLeaf = pageLevel(ref) === 1
      if (table.locate(page, ref)) continue
      if (!isLeaf) return cold.only(page, checksum)
      if (places.at(-1)?.page !== page) places.push({ page, pages: 1, bytes: pageBytes, checksum })
      return undefined
    }
    return undefined
  }

  /**
   * Goes down to the leaf of `position`. `take` is asked about each page before it is looked into: true ends the way there, which is
   * answered by null.
   */
  #descend(
    position: Uint8Array,
    take: (
      level: number,
      lower: Uint8Array,
      upper: Uint8Array | undefined,
      page: number,
      seq: number,
      checksum: Checksum,
    ) => boolean,
  ): Cold | undefined | null {
    const { table, cold } = this.#storage
    const ref = this.leaf
    let page = this.#root
    let checksum = table.checksumOf(page)
    let seq = this.#rootSeq
    let lower: Uint8Array = FIRST_KEY
    let upper: Uint8Array | undefined
    if (!table.locate(page, ref)) return cold.only(page, checksum)
    for (let depth = 0; ; depth++) {
      const level = pageLevel(ref)
      if (depth === 0 && take(level, lower, upper, page, seq, checksum)) return null
      if (this.#entered[depth] !== page) {
        this.#entered[depth] = page
        this.#dead.add(page, 1)
      }
      if (level === 0) break
      const index = childIndex(ref, position, position.length)
      if (index > 0) lower = copyKey(ref, index)
      if (index + 1 < cellCount(ref)) upper = copyKey(ref, index + 1)
      seq = childSeq(ref, index)
      page = childPage(ref, index)
      const isKnown = (table.state[page]! & CHECKSUM_KNOWN) !== 0
      checksum = isKnown ? table.checksumOf(page) : childChecksum(ref, index)
      if (take(level - 1, lower, upper, page, seq, checksum)) return null
      if (table.locate(page, ref)) continue
      const ahead = this.ahead.get(page)
      if (ahead === undefined) return cold.only(page, checksum)
      ref.bytes = ahead.bytes
      ref.words = ahead.words
      ref.view = ahead.view
      ref.base = ahead.base
    }
    this.leafSeq = seq
    this.leafUpper = upper
    return undefined
  }
}

export function lowerBound(leaf: PageRef, key: Uint8Array): number {
  const found = searchPage(leaf, key, key.length, 0)
  return found >= 0 ? found : ~found
}
