import { writeU32, writeU64 } from '../../encoding/index.ts'
import { writeChecksum } from './checksum.ts'
import type { Checksum } from './checksum.ts'
import { invariant } from './assert.ts'
import { childChecksum, childPage, childSeq } from './branch.ts'
import { copyRun } from './image-bytes.ts'
import { PAGE_HEADER_BYTES, PageKind, POINTER_BYTES, POINTER_CHECKSUM, POINTER_SEQ } from './layout.ts'
import {
  cellBytes,
  appendFreshCell,
  clearGap,
  initPage,
  pageLevel,
  payloadAt,
  payloadLength,
  readKey,
  setPrefix,
} from './page.ts'
import type { PageRef } from './page.ts'

/** Bytes of the smallest cell with its slot: an upper bound of how many a page holds. */
const CELL_BYTES_MIN = 16

/** A pointer to a finished page. */
export interface PageLink {
  readonly page: number
  readonly seq: number
  readonly checksum: Checksum
}

/**
 * A page in the making whose cells come in key order. Keys and payloads are gathered outside of the page, because the prefix that it
 * will have is known only when its last key is.
 */
export class OpenPage {
  level: number
  /** The first key that belongs here: the separator in the page above. */
  lower: Uint8Array
  /** The latest change in the range. */
  seq: number
  count = 0
  /** Of a branch: the newest child. */
  last: PageLink | undefined
  readonly #pageBytes: number
  #bytes: Uint8Array
  #used = 0
  /** What all keys so far share; of a branch, all but the first, which is not kept. */
  #prefix = 0
  /** Bytes behind the header with that prefix. */
  #size = 0
  readonly #keyAt: Int32Array
  readonly #keyBytes: Int32Array
  readonly #payloadBytes: Int32Array

  constructor(pageBytes: number, level: number, lower: Uint8Array, seq: number, like?: OpenPage) {
    this.level = level
    this.lower = lower
    this.seq = seq
    this.#pageBytes = pageBytes
    const cellsMax = Math.ceil(pageBytes / CELL_BYTES_MIN)
    this.#bytes = like === undefined ? new Uint8Array(2 * pageBytes) : like.#bytes.slice()
    this.#keyAt = like === undefined ? new Int32Array(cellsMax) : like.#keyAt.slice()
    this.#keyBytes = like === undefined ? new Int32Array(cellsMax) : like.#keyBytes.slice()
    this.#payloadBytes = like === undefined ? new Int32Array(cellsMax) : like.#payloadBytes.slice()
    if (like === undefined) return
    this.count = like.count
    this.last = like.last
    this.#used = like.#used
    this.#prefix = like.#prefix
    this.#size = like.#size
  }

  /** The first `count` cells of a page of the file, opened again, so that more can follow. */
  static of(ref: PageRef, count: number, lower: Uint8Array, seq: number): OpenPage {
    const level = pageLevel(ref)
    const open = new OpenPage(ref.size, level, lower, seq)
    const key = new Uint8Array(ref.size)
    for (let i = 0; i < count; i++) {
      const length = readKey(ref, i, key)
      const isTaken =
        level === 0
          ? open.add(key, length, ref.bytes, payloadAt(ref, i), payloadLength(ref, i))
          : open.addChild(key, length, linkAt(ref, i))
      invariant(isTaken, 'a page is larger than a page')
    }
    return open
  }

  clone(): OpenPage {
    return new OpenPage(this.#pageBytes, this.level, this.lower, this.seq, this)
  }

  /** Empties it for other cells: a page in the making is dear to allocate. */
  reset(level: number, lower: Uint8Array, seq: number): this {
    this.level = level
    this.lower = lower
    this.seq = seq
    this.count = 0
    this.last = undefined
    this.#used = 0
    this.#prefix = 0
    this.#size = 0
    return this
  }

  /** So little is in it that it had better take more than be closed. */
  get isThin(): boolean {
    return this.level === 0 ? this.#size < (this.#pageBytes - PAGE_HEADER_BYTES) / 4 : this.count < 4
  }

  /** hot path (bench/snapshot): takes a cell behind all others; false, with nothing changed, if there is no room. */
  add(key: Uint8Array, keyBytes: number, source: Uint8Array, at: number, payload: number): boolean {
    const count = this.count
    const first = this.level === 0 ? 0 : 1
    // The first child of a branch has no key: it holds everything below the second.
    const length = count < first ? 0 : keyBytes
    let prefix = this.#prefix
    let size = this.#size
    if (count < first) size = cellBytes(0, 0, payload)
    else if (count === first) {
      prefix = length
      size += prefix + cellBytes(length, prefix, payload)
    } else {
      const shared = this.#sharedWith(key, length)
      if (shared < prefix) {
        prefix = shared
        size = this.#sizeWith(prefix)
      }
      size += cellBytes(length, prefix, payload)
    }
    if (size > this.#pageBytes - PAGE_HEADER_BYTES || count === this.#keyAt.length) return false
    this.#size = size
    this.#prefix = prefix
    const used = this.#used
    const end = used + length + payload
    if (end > this.#bytes.length) this.#grow(end)
    const bytes = this.#bytes
    for (let i = 0; i < length; i++) bytes[used + i] = key[i]!
    copyRun(bytes, used + length, source, at, payload)
    this.#keyAt[count] = used
    this.#keyBytes[count] = length
    this.#payloadBytes[count] = payload
    this.#used = end
    this.count = count + 1
    return true
  }

  addChild(key: Uint8Array, keyBytes: number, link: PageLink): boolean {
    writeU32(pointer, 0, link.page)
    writeU64(pointer, POINTER_SEQ, link.seq)
    writeChecksum(pointer, POINTER_CHECKSUM, link.checksum)
    if (!this.add(key, keyBytes, pointer, 0, POINTER_BYTES)) return false
    this.seq = Math.max(this.seq, link.seq)
    this.last = link
    return true
  }

  /** The shortest key above the last one here and not above `key`, which follows. */
  separator(key: Uint8Array, keyBytes: number): Uint8Array {
    if (this.level > 0 || this.count === 0) return key.slice(0, keyBytes)
    const at = this.#keyAt[this.count - 1]!
    const end = Math.min(this.#keyBytes[this.count - 1]!, keyBytes)
    let i = 0
    while (i < end && this.#bytes[at + i] === key[i]) i++
    return key.slice(0, i + 1)
  }

  /** Writes the page into `ref`, a page of its own outside the slabs. */
  build(ref: PageRef, page: number, epoch: number): void {
    initPage(ref, this.level === 0 ? PageKind.leaf : PageKind.branch, this.level, page, epoch)
    const first = this.level === 0 ? 0 : 1
    // A single key keeps all its bytes: whatever comes beside it will hardly share them.
    const prefix = this.count - first < 2 ? 0 : this.#prefix
    const bytes = this.#bytes
    if (prefix > 0) setPrefix(ref, bytes.subarray(this.#keyAt[first]), prefix)
    for (let i = 0; i < this.count; i++) {
      const keyAt = this.#keyAt[i]!
      const length = this.#keyBytes[i]!
      const payload = this.#payloadBytes[i]!
      const at = appendFreshCell(ref, bytes, keyAt, i < first ? prefix : length, payload)
      copyRun(ref.bytes, at, bytes, keyAt + length, payload)
    }
    clearGap(ref)
  }

  /** Bytes of the key at hand that all keys so far share. */
  #sharedWith(key: Uint8Array, keyBytes: number): number {
    const at = this.#keyAt[this.level === 0 ? 0 : 1]!
    const end = Math.min(this.#prefix, keyBytes)
    let i = 0
    while (i < end && this.#bytes[at + i] === key[i]) i++
    return i
  }

  #sizeWith(prefix: number): number {
    let size = prefix
    for (let i = 0; i < this.count; i++) {
      const isKeyless = i === 0 && this.level > 0
      size += cellBytes(isKeyless ? prefix : this.#keyBytes[i]!, prefix, this.#payloadBytes[i]!)
    }
    return size
  }

  #grow(needed: number): void {
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length))
    larger.set(this.#bytes)
    this.#bytes = larger
  }
}

const pointer = new Uint8Array(POINTER_BYTES)

export function linkAt(ref: PageRef, index: number): PageLink {
  return { page: childPage(ref, index), seq: childSeq(ref, index), checksum: childChecksum(ref, index) }
}
