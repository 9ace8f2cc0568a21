import { childChecksum, childIndex, childPage } from './branch.ts'
import { Cold } from './cold.ts'
import { invariant } from './assert.ts'
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
  readonly #leaf: PageRef
  // Plain arrays and a small key: a typed array beyond 64 bytes costs more to make than a short scan.
  readonly #pages: number[] = [0, 0, 0, 0]
  readonly #index: number[] = [0, 0, 0, 0]
  readonly #record: RecordRef = new RecordRef()
  #depth = -1
  #changes = -1
  #state: 'before' | 'on' | 'ended' = 'before'
  /** Cells of the present leaf before which (reversed: at and after which) the range ends. */
  #limit = 0
  /** The last record's key: where to go on after a change of the tree or a cold page. */
  #key: Uint8Array
  #keyBytes = 0
  #prefix = 0

  constructor(storage: Storage, source: CursorSource, range: Range) {
    this.#storage = storage
    this.#source = source
    this.#start = range.start
    this.#end = range.end
    this.#reverse = range.reverse === true
    this.#leaf = new PageRef(storage.pageBytes)
    this.#key = new Uint8Array(FIRST_KEY_BYTES)
  }

  /** hot path (bench/keyspace) */
  next(): boolean | Cold {
    if (this.#state === 'ended') return false
    if (this.#state === 'on' && this.#changes === this.#source.changes && this.#isLeafHere()) {
      const index = (this.#index[this.#depth]! += this.#reverse ? -1 : 1)
      if (this.#reverse ? index >= this.#limit : index < this.#limit) {
        const suffix = suffixLength(this.#leaf, index)
        if (this.#prefix + suffix + 4 > this.#key.length) this.#growKey(this.#prefix + suffix)
        this.#keyBytes = readSuffix(this.#leaf, index, this.#key, this.#prefix)
        return true
      }
      return this.#nextLeaf()
    }
    return this.#seek()
  }

  /** A copy of the record's key. */
  get key(): Uint8Array {
    invariant(this.#state === 'on', 'the cursor is on no record')
    return copyBytes(this.#key, 0, this.#keyBytes)
  }

  /** The record's key without a copy: valid until the next call of `next()`. */
  get keyInPlace(): Uint8Array {
    invariant(this.#state === 'on', 'the cursor is on no record')
    return this.#key.subarray(0, this.#keyBytes)
  }

  /** The record with its value copied; `Cold` if the value is large and not in memory, or if the page has left it since. */
  get record(): RecordView | Cold {
    invariant(this.#state === 'on', 'the cursor is on no record')
    const page = this.#pages[this.#depth]!
    if (!this.#storage.table.locate(page, this.#leaf)) return this.#storage.cold.only(page, 0)
    return recordAt(this.#storage, this.#leaf, this.#index[this.#depth]!)
  }

  /** Only right after `next()`: the page must not have left memory since. */
  get metadata(): RecordMetadata {
    return metadataAt(this.#here(), this.#index[this.#depth]!)
  }

  /** The record's cell, taken apart in place: valid until anything else is called. For use inside this room. */
  cell(): RecordRef {
    this.#record.read(this.#here(), this.#index[this.#depth]!)
    return this.#record
  }

  #here(): PageRef {
    invariant(this.#state === 'on', 'the cursor is on no record')
    this.#storage.table.require(this.#pages[this.#depth]!, this.#leaf)
    return this.#leaf
  }

  #isLeafHere(): boolean {
    return this.#storage.table.locate(this.#pages[this.#depth]!, this.#leaf)
  }

  /** Finds the first record of what is left: behind the last key, or from the range's beginning. */
  #seek(): boolean | Cold {
    const isFirst = this.#state === 'before'
    const from = isFirst ? (this.#reverse ? this.#end : this.#start) : this.#key.subarray(0, this.#keyBytes)
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
    this.#index[this.#depth] = index
    this.#state = 'on'
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
  }

  #finish(): false {
    this.#state = 'ended'
    return false
  }

  /** The first leaf in the walk's direction that has a record of the range. */
  #nextLeaf(): boolean | Cold {
    const { table } = this.#storage
    const leaf = this.#leaf
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
        return cold.only(page, checksum)
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
