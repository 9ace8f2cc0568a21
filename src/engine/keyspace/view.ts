import { invariant } from './assert.ts'
import { childChecksum, childIndex, childPage } from './branch.ts'
import { Cold } from './cold.ts'
import { Cursor } from './cursor.ts'
import type { ChangedSinceOptions } from './images.ts'
import { ImageScan } from './images.ts'
import type { PageFile } from './page-file.ts'
import { cellCount, pageLevel, PageRef, searchPage } from './page.ts'
import type { Range } from './cursor.ts'
import type { Reader } from './reader.ts'
import { findLeaf, readMetadata, readRecord } from './point-reads.ts'
import type { RecordMetadata, RecordView } from './record.ts'
import { RecordRef } from './record.ts'
import type { Root } from './roots.ts'
import type { Storage } from './storage.ts'

/** No place in the leaf at hand: what searching a page never gives. */
const ELSEWHERE = -0x3fffffff
/** Keys that belong elsewhere until only some are tried, and which: those with none of these bits. */
const ELSEWHERE_MAX = 4
const SELDOM = 15

/** How a view gets what is not in memory. */
export interface Loader {
  readonly file: PageFile
  load(cold: Cold): Promise<void>
  loadSync(cold: Cold): void
}

/**
 * The keyspace as it was at `seq`: a held root. Writers do not disturb it and it does not disturb them, but it keeps the
 * pages that only it sees from being reused: close it.
 */
export class KeyspaceView implements Disposable {
  readonly seq: number
  /** Reads that answer `Cold` instead of waiting. */
  readonly reader: Reader
  readonly #storage: Storage
  readonly #loader: Loader
  readonly #root: Root
  readonly #ref: PageRef
  readonly #record: RecordRef = new RecordRef()
  readonly #inPlace: KeyspaceView['inPlace']
  #isOpen = true
  /** The leaf of the last key that was asked for near others; -1 = none yet. */
  #leaf = -1
  /** Keys since then that belonged elsewhere. */
  #elsewhere = 0

  constructor(storage: Storage, loader: Loader, root: Root) {
    this.#storage = storage
    this.#loader = loader
    this.#root = root
    this.#ref = new PageRef(storage.pageBytes)
    this.seq = root.seq
    storage.roots.hold(root)
    const get = (key: Uint8Array): RecordView | undefined | Cold => readRecord(storage, this.rootPage, key, this.#ref)
    this.reader = {
      get,
      metadata: key => readMetadata(this.#storage, this.rootPage, key, this.#ref),
      peek: (key, length) => this.#peekNear(key, length ?? key.length),
      usage: space => this.#storage.usageAt(space, this.#root.seq),
      has: key => {
        const found = readMetadata(this.#storage, this.rootPage, key, this.#ref)
        return found instanceof Cold ? found : found !== undefined
      },
      cursor: range => this.cursor(range),
    }
    this.#inPlace = { get, peek: (key, length) => this.peek(key, length), cursor: range => this.cursor(range) }
  }

  /** Reads that copy nothing; they throw once the view is closed. */
  get inPlace(): { get: Reader['get']; peek: KeyspaceView['peek']; cursor: KeyspaceView['cursor'] } {
    return this.#inPlace
  }

  get root(): Root {
    return this.#root
  }

  get rootPage(): number {
    invariant(this.#isOpen, 'the view is closed')
    if (this.#storage.mutants.viewSeesLater === true) return this.#storage.roots.newest.page
    return this.#root.page
  }

  /** hot path (bench/keyspace): the record at once if its page is in memory, otherwise when it has been read. */
  get(key: Uint8Array): RecordView | undefined | Promise<RecordView | undefined> {
    const found = readRecord(this.#storage, this.rootPage, key, this.#ref)
    return found instanceof Cold ? this.#getCold(key, found) : found
  }

  /** Apart from `get`, which would otherwise pay for this closure each time. */
  #getCold(key: Uint8Array, cold: Cold): Promise<RecordView | undefined> {
    return this.#settle(cold, () => this.reader.get(key))
  }

  /**
   * hot path (bench/keyspace): as `get` where the record lies, nothing copied and nothing allocated. It is valid until anything else
   * of this keyspace is called. The key is the first `length` bytes of `key`. Of a large value it has the pointer only: take `get` if `isLarge`.
   */
  peek(key: Uint8Array, length: number = key.length): RecordRef | undefined | Cold {
    const ref = this.#ref
    const cold = findLeaf(this.#storage, this.rootPage, key, length, ref)
    if (cold !== undefined) return cold
    const index = searchPage(ref, key, length, 0)
    if (index < 0) return undefined
    this.#record.read(ref, index)
    return this.#record
  }

  /** hot path (bench/query): as `peek`, for keys that are asked for in their order more often than not. */
  #peekNear(key: Uint8Array, length: number): RecordRef | undefined | Cold {
    const ref = this.#ref
    const root = this.rootPage
    let index = this.#isWorthATry() ? this.#placeHere(key, length) : ELSEWHERE
    if (index === ELSEWHERE) {
      const cold = this.#descend(root, key, length)
      if (cold !== undefined) return cold
      index = searchPage(ref, key, length, 0)
    }
    if (index < 0) return undefined
    this.#record.read(ref, index)
    return this.#record
  }

  /** After some keys that belonged elsewhere only each sixteenth is looked for in the leaf of the one before. */
  #isWorthATry(): boolean {
    if (this.#leaf < 0) return false
    return this.#elsewhere < ELSEWHERE_MAX || (++this.#elsewhere & SELDOM) === 0
  }

  /**
   * What searching the leaf of the last key gives if this one belongs there, too, as rows do that a walk of an index asks for: that shows
   * without the branches if keys of the leaf lie on both sides. Pages of a root that is held stay what they are.
   */
  #placeHere(key: Uint8Array, length: number): number {
    const ref = this.#ref
    if (this.#storage.table.locate(this.#leaf, ref)) {
      const found = searchPage(ref, key, length, 0)
      if (found >= 0 || (found < ~0 && ~found < cellCount(ref))) {
        this.#elsewhere = 0
        return found
      }
    }
    this.#elsewhere++
    return ELSEWHERE
  }

  /** Points `#ref` at the leaf that would hold `key`, as `findLeaf` does, and remembers which it is. */
  #descend(root: number, key: Uint8Array, length: number): Cold | undefined {
    const { table, cold } = this.#storage
    const ref = this.#ref
    let page = root
    if (!table.locate(page, ref)) return cold.only(page, 0)
    while (pageLevel(ref) > 0) {
      const index = childIndex(ref, key, length)
      page = childPage(ref, index)
      if (!table.locate(page, ref)) return cold.only(page, childChecksum(ref, index))
    }
    this.#leaf = page
    return undefined
  }

  metadata(key: Uint8Array): RecordMetadata | undefined | Promise<RecordMetadata | undefined> {
    const found = readMetadata(this.#storage, this.rootPage, key, this.#ref)
    return found instanceof Cold ? this.#settle(found, () => this.reader.metadata(key)) : found
  }

  /** As `get`; reads the file on this thread if it has to. */
  getSync(key: Uint8Array): RecordView | undefined {
    for (;;) {
      const found = readRecord(this.#storage, this.rootPage, key, this.#ref)
      if (!(found instanceof Cold)) return found
      this.#loader.loadSync(found)
    }
  }

  metadataSync(key: Uint8Array): RecordMetadata | undefined {
    for (;;) {
      const found = readMetadata(this.#storage, this.rootPage, key, this.#ref)
      if (!(found instanceof Cold)) return found
      this.#loader.loadSync(found)
    }
  }

  /** A cursor whose `next()` may answer `Cold`; `advance` and `advanceSync` step any cursor of this view past that. */
  cursor(range: Range = {}): Cursor {
    return new Cursor(this.#storage, { rootPage: this.rootPage, changes: 0 }, range)
  }

  /** `cursor.next()`, reading missing pages asynchronously. */
  advance(cursor: Cursor): boolean | Promise<boolean> {
    const moved = cursor.next()
    return moved instanceof Cold ? this.#settle(moved, () => cursor.next()) : moved
  }

  /** `cursor.next()`, reading missing pages on this thread. */
  advanceSync(cursor: Cursor): boolean {
    for (;;) {
      const moved = cursor.next()
      if (!(moved instanceof Cold)) return moved
      this.#loader.loadSync(moved)
    }
  }

  /** The record under the cursor, reading a large value asynchronously. */
  recordOf(cursor: Cursor): RecordView | Promise<RecordView> {
    const found = cursor.record
    return found instanceof Cold ? this.#settle(found, () => cursor.record) : found
  }

  recordOfSync(cursor: Cursor): RecordView {
    for (;;) {
      const found = cursor.record
      if (!(found instanceof Cold)) return found
      this.#loader.loadSync(found)
    }
  }

  /** What changed after `since`, as leaf images, for as long as the view is open. */
  changedSince(since: number, options: ChangedSinceOptions = {}): ImageScan {
    const source = {
      storage: this.#storage,
      root: this.#root,
      file: this.#loader.file,
      load: (cold: Cold) => this.#loader.load(cold),
      isOpen: () => this.#isOpen,
    }
    return new ImageScan(source, since, options)
  }

  /** Another hold of the same root. */
  clone(): KeyspaceView {
    invariant(this.#isOpen, 'the view is closed')
    return new KeyspaceView(this.#storage, this.#loader, this.#root)
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#storage.roots.unhold(this.#root)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  async #settle<T>(cold: Cold, again: () => T | Cold): Promise<T> {
    let answer: T | Cold = cold
    while (answer instanceof Cold) {
      await this.#loader.load(answer)
      invariant(this.#isOpen, 'the view was closed while it read')
      answer = again()
    }
    return answer
  }
}
