import { childChecksum, childIndex, childPage, raiseChildSeq, setChildPage } from './branch.ts'
import type { Cold } from './cold.ts'
import { cellCount, isBeforeCell, PageRef, pageLevel, searchPage, touchPage } from './page.ts'
import { DEPTH_MAX, maxKeyBytes } from './layout.ts'
import type { Storage } from './storage.ts'
import { Ways } from './ways.ts'

/** The leaf of the last way does not hold the key: no place of a cell, nor ~ of one. */
const ELSEWHERE = -0x7fffffff

/** After so many keys in a row that did not belong to the leaf of the one before, only each sixteenth is tried there. */
const TRIES = 8
const SELDOM = 16

/** The writer's root and its way down to one leaf. */
export class Path {
  rootPage = 0
  rootSeq = 0
  /** Counts what changes which child a key belongs to, or how many branches are above it. */
  structure = 0
  /** Counts what changes the place of a cell in its leaf. */
  cells = 0
  /** Level of the leaf: pages[0] is the root, pages[depth] the leaf. */
  depth = 0
  readonly pages: Int32Array = new Int32Array(DEPTH_MAX)
  /** index[d]: which child of pages[d] is pages[d + 1]. */
  readonly index: Int32Array = new Int32Array(DEPTH_MAX)
  readonly refs: PageRef[] = []
  /** Separators under construction, one a depth, because a split above happens while the one below is needed. */
  readonly separators: Uint8Array[] = []
  readonly #storage: Storage
  readonly #ways: Ways = new Ways()
  /** Where the way that `descend` went is remembered; -1 if it is not. */
  #way = -1
  /** `moves` of the page table when `refs` were last known to lie where the pages of the way are. */
  #moves = -1
  /** `structure` when the way was gone to its leaf; -1 if it was not. */
  #reached = -1
  /** What `own` has made the whole way writable for; -1 = nothing. */
  #owned = -1
  /** Only so that what `touchPage` reads is not left out as unused. */
  touched = 0
  /** How many keys are still tried in the leaf of the one before; below zero, seldom. */
  #tries = TRIES

  constructor(storage: Storage) {
    this.#storage = storage
    for (let depth = 0; depth < DEPTH_MAX; depth++) {
      this.refs.push(new PageRef(storage.pageBytes))
      this.separators.push(new Uint8Array(maxKeyBytes(storage.pageBytes) + 4))
    }
  }

  /** The leaf that `descend` reached; after a split, the page where the cell went. */
  get leaf(): PageRef {
    return this.refs[this.depth]!
  }

  /**
   * hot path: goes down to the leaf of `key`. True if a page was missing: it is added to `cold`, `depth` is its level. Mostly there is
   * nothing to go: the key is the last one again, or belongs to the same leaf as that.
   */
  descend(key: Uint8Array, cold: Cold): boolean {
    const ways = this.#ways
    const way = ways.slotOf(key)
    const known = ways.depthOf(way, key, this.structure)
    const { moves } = this.#storage.table
    const isThere = moves === this.#moves && this.#reached === this.structure
    if (isThere && known >= 0 && (way === this.#way || ways.leadsTo(way, known, this.index, this.depth))) {
      this.#way = way
      return false
    }
    if (isThere && known < 0 && this.#isWorthATry()) {
      const found = this.#placeHere(key)
      if (found !== ELSEWHERE) {
        this.#tries = TRIES
        this.#way = ways.remember(way, key, this.depth, this.index, this.structure) ? way : -1
        if (this.#way >= 0) ways.keepFound(way, found, this.cells)
        return false
      }
    }
    this.#moves = moves
    this.#owned = -1
    const isCold = known >= 0 ? this.#follow(way, known, cold) : this.#search(key, cold)
    this.#reached = isCold ? -1 : this.structure
    if (!isCold && known < 0) this.#way = ways.remember(way, key, this.depth, this.index, this.structure) ? way : -1
    else this.#way = isCold ? -1 : way
    return isCold
  }

  #isWorthATry(): boolean {
    if (--this.#tries > 0) return true
    if (this.#tries > -SELDOM) return false
    this.#tries = 0
    return true
  }

  /**
   * hot path (bench/apply --sets): what `find` of `key` gives if it belongs to the leaf that the path is at. That shows without its
   * branches if other keys of the leaf lie on both sides, and by one comparison if it comes after all of them.
   */
  #placeHere(key: Uint8Array): number {
    const { refs, index, depth } = this
    const leaf = refs[depth]!
    const found = searchPage(leaf, key, key.length, 0)
    if (found >= 0) return found
    if (found === ~0) return ELSEWHERE
    if (~found < cellCount(leaf)) return found
    for (let d = depth - 1; d >= 0; d--) {
      const branch = refs[d]!
      const next = index[d]! + 1
      if (next < cellCount(branch)) return isBeforeCell(branch, next, key, key.length) ? found : ELSEWHERE
    }
    return found
  }

  /** hot path: searches the leaf that `descend` reached for the same key; as `searchPage`. */
  find(key: Uint8Array): number {
    const way = this.#way
    if (way >= 0 && this.#ways.hasFound(way, this.cells)) return this.#ways.foundAt(way)
    const found = searchPage(this.refs[this.depth]!, key, key.length, 0)
    if (way >= 0) this.#ways.keepFound(way, found, this.cells)
    return found
  }

  #search(key: Uint8Array, cold: Cold): boolean {
    const { table } = this.#storage
    const { pages, index, refs } = this
    let page = this.rootPage
    let depth = 0
    let ref = refs[0]!
    this.depth = 0
    if (!table.locate(page, ref)) {
      cold.add(page, 0, 0)
      return true
    }
    for (;;) {
      pages[depth] = page
      if (pageLevel(ref) === 0) break
      const child = childIndex(ref, key, key.length)
      index[depth] = child
      page = childPage(ref, child)
      depth++
      const below = refs[depth]!
      if (!table.locate(page, below)) {
        cold.add(page, childChecksum(ref, child), 0)
        this.depth = depth
        return true
      }
      ref = below
      this.touched = touchPage(below)
    }
    this.depth = depth
    return false
  }

  /** As `#search` along a known way. */
  #follow(way: number, depth: number, cold: Cold): boolean {
    const { table } = this.#storage
    const { pages, index, refs } = this
    const known = this.#ways.index
    let page = this.rootPage
    for (let d = 0; ; d++) {
      const ref = refs[d]!
      if (!table.locate(page, ref)) {
        cold.add(page, d === 0 ? 0 : childChecksum(refs[d - 1]!, index[d - 1]!), 0)
        this.depth = d
        return true
      }
      pages[d] = page
      if (d === depth) break
      const child = known[way * DEPTH_MAX + d]!
      index[d] = child
      page = childPage(ref, child)
    }
    this.depth = depth
    return false
  }

  /** hot path: makes every page of the path writable and raises the seqs of the pointers along it. */
  own(seq: number): void {
    if (this.#owned === seq && this.#reached === this.structure && this.#moves === this.#storage.table.moves) return
    const { pages, index, refs } = this
    const storage = this.#storage
    for (let depth = 0; depth <= this.depth; depth++) {
      const ref = refs[depth]!
      const page = pages[depth]!
      if (!storage.isWritable(page, ref)) {
        const copy = storage.copyForWrite(page, ref)
        pages[depth] = copy
        if (depth === 0) this.rootPage = copy
        else setChildPage(refs[depth - 1]!, index[depth - 1]!, copy)
      }
      if (depth > 0) raiseChildSeq(refs[depth - 1]!, index[depth - 1]!, seq)
    }
    if (this.rootSeq < seq) this.rootSeq = seq
    this.#moves = storage.table.moves
    this.#owned = seq
  }

  /** Another entry begins: pages may have been handed to the file, or shown to somebody, since they were owned. */
  disown(): void {
    this.#owned = -1
  }

  /** Makes a page beside the path writable: child `at` of the path's page at `depth`. */
  ownChild(depth: number, at: number, ref: PageRef): number {
    const parent = this.refs[depth]!
    const page = childPage(parent, at)
    this.#storage.table.require(page, ref)
    if (this.#storage.isWritable(page, ref)) return page
    const copy = this.#storage.copyForWrite(page, ref)
    setChildPage(parent, at, copy)
    return copy
  }
}
