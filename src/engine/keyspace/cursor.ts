import { childChecksum, childIndex, childPage } from './branch.ts'
import { Cold } from './cold.ts'
import { broken, invariant } from './assert.ts'
import { LeafRun } from './leaf-run.ts'
import {
  cellCount,
  keyLength,
  PageRef,
  pageLevel,
  prefixLength,
  readKey,
  readSuffix,
  searchPage,
  suffixLength,
  touchLines,
} from './page.ts'
import { metadataAt, recordAt } from './point-reads.ts'
import type { RecordMetadata, RecordView } from './record.ts'
import { copyBytes, RecordRef } from './record.ts'
import type { Storage } from './storage.ts'

/** What a cursor walks over: keys in [start, end), ascending or, reversed, descending. */
export interface Range {
  start?: Uint8Array
  end?: Uint8Array
  reverse?: boolean
}

const FIRST_KEY_BYTES = 64

const BEFORE = 0
const ON = 1
const ENDED = 2

/** `#leaf` points at something else than the leaf of the record. */
const ELSEWHERE = -1

/** The root that a cursor walks: fixed for a view; the writer's moves, and with it `changes`. */
export interface CursorSource {
  readonly rootPage: number
  /** Counts mutations; the cursor seeks anew after one. */
  readonly changes: number
}

/**
 * Walks the records of a range in key order, either way. `next()` moves to the following record; it is true if there is one,
 * false at the end, and `Cold` if a page is missing: load it and call `next()` again, nothing is skipped.
 * What is read belongs to the record that the last true `next()` moved to. One cursor is one walk; it holds no page.
 */
export class Cursor {
  readonly #storage: Storage
  readonly #source: CursorSource
  readonly #start: Uint8Array | undefined
  readonly #end: Uint8Array | undefined
  readonly #reverse: boolean
  /** Leaves beyond a missing one that are asked for with it. */
  readonly #ahead: number
  readonly #leaf: PageRef
  // Plain arrays and a small key: a typed array beyond 64 bytes costs more to make than a short scan.
  readonly #pages: number[] = [0, 0, 0, 0]
  readonly #index: number[] = [0, 0, 0, 0]
  readonly #record: RecordRef = new RecordRef()
  #depth = -1
  #changes = -1
  #state: typeof BEFORE | typeof ON | typeof ENDED = BEFORE
  readonly #step: 1 | -1
  /** Only so that what `touchLines` reads is not left out as unused. */
  touched = 0
  /** The present leaf, the cell in it, and what the page table says of it while the leaf is where it was. */
  #page = 0
  #at = 0
  #frame = ELSEWHERE
  /** Cells of the present leaf before which (reversed: at and after which) the range ends. */
  #limit = 0
  /** The last record's key: where to go on after a change of the tree or a cold page. */
  #key: Uint8Array
  #keyBytes = 0
  #prefix = 0
  /** The bytes of `#key` that count, for `keyInPlace`: made anew only when their number changes. */
  #keyView: Uint8Array

  /** `ahead`: only for whoever keeps what was loaded until the walk is done, as the writer does until the entry's end. */
  constructor(storage: Storage, source: CursorSource, range: Range, ahead: number = 0) {
    this.#storage = storage
    this.#source = source
    this.#start = range.start
    this.#end = range.end
    this.#reverse = range.reverse === true
    this.#ahead = ahead
    this.#step = this.#reverse ? -1 : 1
    this.#leaf = new PageRef(storage.pageBytes)
    this.#key = new Uint8Array(FIRST_KEY_BYTES)
    this.#keyView = this.#key
  }

  /** hot path (bench/keyspace) */
  next(): boolean | Cold {
    if (this.#state !== ON || this.#changes !== this.#source.changes || !this.#isLeafHere()) {
      return this.#state === ENDED ? false : this.#seek()
    }
    const at = this.#at + this.#step
    if (this.#step > 0 ? at >= this.#limit : at < this.#limit) return this.#nextLeaf()
    const leaf = this.#leaf
    const length = this.#prefix + suffixLength(leaf, at)
    if (length + 4 > this.#key.length) this.#growKey(length)
    this.#keyBytes = readSuffix(leaf, at, this.#key, this.#prefix)
    this.#at = at
    return true
  }

  /** A copy of the record's key. */
  get key(): Uint8Array {
    invariant(this.#state === ON, 'the cursor is on no record')
    return copyBytes(this.#key, 0, this.#keyBytes)
  }

  /** hot path (bench/keyspace): the record's key without a copy, valid until the next call of `next()`. */
  get keyInPlace(): Uint8Array {
    if (this.#state !== ON) broken('the cursor is on no record')
    let view = this.#keyView
    if (view.length !== this.#keyBytes) {
      view = this.#key.subarray(0, this.#keyBytes)
      this.#keyView = view
    }
    return view
  }

  /** The record with its value copied; `Cold` if the value is large and not in memory, or if the page has left it since. */
  get record(): RecordView | Cold {
    invariant(this.#state === ON, 'the cursor is on no record')
    if (!this.#isLeafHere()) return this.#storage.cold.only(this.#page, 0)
    return recordAt(this.#storage, this.#leaf, this.#at)
  }

  /** Only right after `next()`: the page must not have left memory since. */
  get metadata(): RecordMetadata {
    return metadataAt(this.#here(), this.#at)
  }

  /**
   * hot path (bench/query): the record's cell, taken apart in place: valid until anything else of the keyspace is called. Of a large
   * value it has the pointer only: take `record` if `isLarge`. `Cold` if the page has left memory since `next()`.
   */
  cellInPlace(): RecordRef | Cold {
    if (this.#state !== ON) broken('the cursor is on no record')
    if (!this.#isLeafHere()) return this.#storage.cold.only(this.#page, 0)
    this.#record.read(this.#leaf, this.#at)
    return this.#record
  }

  /**
   * hot path (bench/gate): the present leaf, copied; the present record is its cell `first`, and the range goes on for `count` cells in the
   * walk's direction, the first included. The cursor does not move: `skip` does.
   */
  copyLeaf(): { copy: LeafRun; first: number; count: number } | Cold {
    if (this.#state !== ON) broken('the cursor is on no record')
    if (!this.#isLeafHere()) return this.#storage.cold.only(this.#page, 0)
    const first = this.#at
    const count = this.#reverse ? first - this.#limit + 1 : this.#limit - first
    return { copy: new LeafRun(this.#leaf), first, count }
  }

  /** Moves over `cells` records of the present leaf, which must not have left memory since `copyLeaf`. */
  skip(cells: number): void {
    this.#here()
    if (cells > 0) this.#take(this.#at + this.#step * cells)
  }

  /** The record's cell, taken apart in place: valid until anything else is called. For use inside this room. */
  cell(): RecordRef {
    this.#record.read(this.#here(), this.#at)
    return this.#record
  }

  #here(): PageRef {
    invariant(this.#state === ON, 'the cursor is on no record')
    if (!this.#isLeafHere()) broken('the page under the cursor left memory')
    return this.#leaf
  }

  /** Whether the leaf is in memory; `#leaf` then points at it. */
  #isLeafHere(): boolean {
    const { table } = this.#storage
    const frame = table.frameOf[this.#page]!
    if (frame === this.#frame) return true
    if (frame === 0 || !table.locate(this.#page, this.#leaf)) return false
    this.#frame = frame
    return true
  }

  /** Finds the first record of what is left: behind the last key, or from the range's beginning. */
  #seek(): boolean | Cold {
    const isFirst = this.#state === BEFORE
    const from = isFirst ? (this.#reverse ? this.#end : this.#start) : this.#key.subarray(0, this.#keyBytes)
    this.#frame = ELSEWHERE
    const cold = this.#descend(from)
    if (cold !== undefined) return cold
    this.#changes = this.#source.changes
    const leaf = this.#leaf
    let index: number
    if (from === undefined) index = this.#reverse ? cellCount(leaf) - 1 : 0
    else {
      const found = searchPage(leaf, from, from.length, 0)
      const at = found >= 0 ? found : ~found
      if (this.#reverse) index = at - 1
      else index = found >= 0 && !isFirst ? at + 1 : at
    }
    return this.#land(index)
  }

  /** Takes cell `index` of the present leaf, or moves on to the next leaf if there is none. */
  #land(index: number): boolean | Cold {
    const leaf = this.#leaf
    const count = cellCount(leaf)
    if (this.#reverse) {
      this.#limit = this.#start === undefined ? 0 : lowerBound(leaf, this.#start)
      if (index >= this.#limit) return this.#take(index)
      if (this.#limit > 0) return this.#finish()
    } else {
      this.#limit = this.#end === undefined ? count : lowerBound(leaf, this.#end)
      if (index < this.#limit) return this.#take(index)
      if (this.#limit < count) return this.#finish()
    }
    return this.#nextLeaf()
  }

  #take(index: number): true {
    this.#at = index
    this.#page = this.#pages[this.#depth]!
    this.#frame = this.#storage.table.frameOf[this.#page]!
    this.#state = ON
    this.#prefix = prefixLength(this.#leaf)
    const length = keyLength(this.#leaf, index)
    if (length + 4 > this.#key.length) this.#growKey(length)
    this.#keyBytes = readKey(this.#leaf, index, this.#key)
    return true
  }

  #growKey(length: number): void {
    const larger = new Uint8Array(2 * length + 4)
    larger.set(this.#key)
    this.#key = larger
    this.#keyView = larger
  }

  #finish(): false {
    this.#state = ENDED
    return false
  }

  /** The first leaf in the walk's direction that has a record of the range. */
  #nextLeaf(): boolean | Cold {
    const { table } = this.#storage
    const leaf = this.#leaf
    this.#frame = ELSEWHERE
    for (;;) {
      let depth = this.#depth - 1
      for (; depth >= 0; depth--) {
        const page = this.#pages[depth]!
        if (!table.locate(page, leaf)) return this.#retryAfter(page)
        const index = this.#index[depth]! + (this.#reverse ? -1 : 1)
        if (index >= 0 && index < cellCount(leaf)) {
          this.#index[depth] = index
          break
        }
      }
      if (depth < 0) return this.#finish()
      const cold = this.#descendEdge(depth)
      if (cold !== undefined) return cold
      const count = cellCount(leaf)
      if (count === 0) continue
      // A walk that has come to a second leaf mostly goes through it, and one that stays within its first may be short.
      this.touched = touchLines(leaf)
      return this.#land(this.#reverse ? count - 1 : 0)
    }
  }

  /** A branch of the path left memory: the walk seeks from the last key when it is called again. */
  #retryAfter(page: number): Cold {
    this.#changes = -1
    return this.#storage.cold.only(page, 0)
  }

  /** From the branch at `depth`, down along the edge nearest in the walk's direction. */
  #descendEdge(depth: number): Cold | undefined {
    const { table, cold } = this.#storage
    const leaf = this.#leaf
    for (;;) {
      const index = this.#index[depth]!
      const page = childPage(leaf, index)
      const checksum = childChecksum(leaf, index)
      if (!table.locate(page, leaf)) {
        this.#changes = -1
        cold.only(page, checksum)
        if (this.#ahead > 0) this.#addNext(depth, index)
        return cold
      }
      depth++
      this.#pages[depth] = page
      if (pageLevel(leaf) === 0) {
        this.#depth = depth
        return undefined
      }
      this.#index[depth] = this.#reverse ? cellCount(leaf) - 1 : 0
    }
  }

  /** Asks for what lies beyond child `index` of the branch at `depth` too: the walk will want it, and each wait begins the entry anew. */
  #addNext(depth: number, index: number): void {
    const { table, cold } = this.#storage
    const branch = this.#leaf
    if (!table.locate(this.#pages[depth]!, branch)) return
    const count = cellCount(branch)
    for (let i = 1; i <= this.#ahead; i++) {
      const next = index + i * this.#step
      if (next < 0 || next >= count) return
      const page = childPage(branch, next)
      if (!table.isResident(page)) cold.add(page, childChecksum(branch, next), 0)
    }
  }

  /** To the leaf that holds `key` (undefined: the edge from which the walk begins). */
  #descend(key: Uint8Array | undefined): Cold | undefined {
    const { table, cold } = this.#storage
    const leaf = this.#leaf
    let page = this.#source.rootPage
    if (!table.locate(page, leaf)) return cold.only(page, 0)
    let depth = 0
    for (;;) {
      this.#pages[depth] = page
      if (pageLevel(leaf) === 0) break
      const edge = this.#reverse ? cellCount(leaf) - 1 : 0
      const index = key === undefined ? edge : childIndex(leaf, key, key.length)
      this.#index[depth] = index
      page = childPage(leaf, index)
      if (!table.locate(page, leaf)) return cold.only(page, childChecksum(leaf, index))
      depth++
    }
    this.#depth = depth
    return undefined
  }
}

function lowerBound(leaf: PageRef, key: Uint8Array): number {
  const found = searchPage(leaf, key, key.length, 0)
  return found >= 0 ? found : ~found
}
