import { checksumOf } from './checksum.ts'
import { CHECKSUM_KNOWN, STAGED } from './frames.ts'
import { OpenPage } from './open-page.ts'
import type { PageLink } from './open-page.ts'
import { copyPage, PageRef } from './page.ts'
import type { PageStream } from './page-stream.ts'
import type { RunList } from './run-list.ts'
import type { Storage } from './storage.ts'

const FIRST_KEY = new Uint8Array(0)

/**
 * Builds a tree from its records in key order, bottom up: every page is filled, written once and never touched again, so that
 * nothing is searched, split or copied. Finished pages of another tree can be taken over whole. The tree is nobody's until its
 * root is published; what is in the making lies outside of the keyspace's memory.
 */
export class TreeBuilder {
  readonly #storage: Storage
  readonly #stream: PageStream
  /** Pages given out here. */
  readonly #pages: RunList
  /** Pages that may be in memory. */
  readonly #pagesMax: number
  readonly #scratch: PageRef
  /** The page in the making at each level; undefined where one has just been closed. */
  #open: (OpenPage | undefined)[]
  /** Closed pages whose memory the next ones take. */
  readonly #spare: OpenPage[] = []
  /** Of the present range. */
  #rangeSeq = 0
  /** The latest change of all ranges from that of the last record on: a page that begins next may begin in any of them. */
  #gapSeq = 0

  constructor(
    storage: Storage,
    stream: PageStream,
    pages: RunList,
    pagesMax: number,
    open: (OpenPage | undefined)[] = [],
    gapSeq = 0,
  ) {
    this.#storage = storage
    this.#stream = stream
    this.#pages = pages
    this.#pagesMax = pagesMax
    this.#scratch = PageRef.scratch(storage.pageBytes)
    this.#open = open
    this.#gapSeq = gapSeq
  }

  /** What a builder that goes on from here has to know beside the pages. */
  get gapSeq(): number {
    return this.#gapSeq
  }

  /** Another builder at the same point, whose pages go into `pages`: to finish without ending this one. */
  clone(pages: RunList): TreeBuilder {
    const open = this.#open.map(page => page?.clone())
    const copy = new TreeBuilder(this.#storage, this.#stream, pages, this.#pagesMax, open, this.#gapSeq)
    copy.#rangeSeq = this.#rangeSeq
    return copy
  }

  /** What follows lies in a range that begins at `lower` (behind all so far) and changed last at `seq`. */
  beginRange(lower: Uint8Array, seq: number): void {
    this.#rangeSeq = seq
    this.#gapSeq = Math.max(this.#gapSeq, seq)
    const leaf = this.#open[0]
    if (leaf === undefined) this.#open[0] = this.#begin(0, lower.slice(), seq)
    else if (leaf.seq < seq) leaf.seq = seq
  }

  /** hot path (bench/snapshot): a record of the present range, `payload` bytes of `source` from `at` on. */
  add(key: Uint8Array, keyBytes: number, source: Uint8Array, at: number, payload: number): void {
    const leaf = this.#open[0]!
    if (!leaf.add(key, keyBytes, source, at, payload)) {
      const lower = leaf.separator(key, keyBytes)
      this.#close(0)
      const next = this.#begin(0, lower, this.#gapSeq)
      next.add(key, keyBytes, source, at, payload)
      this.#open[0] = next
    }
    this.#gapSeq = this.#rangeSeq
  }

  /** Whether a whole page of `level` may come next: otherwise what is in the making would be left nearly empty. */
  takes(level: number): boolean {
    for (let i = 0; i <= level; i++) if (this.#open[i]?.isThin === true) return false
    return true
  }

  /** Takes over a finished page of `level` with all below it; `lower` is where its range begins. */
  addPage(level: number, lower: Uint8Array, link: PageLink): void {
    for (let i = 0; i <= level; i++) this.#close(i)
    this.#addChild(level + 1, lower, link)
    this.#gapSeq = 0
  }

  /** Closes everything: the root. */
  finish(): PageLink & { readonly level: number } {
    if (this.#open.length === 0) this.beginRange(FIRST_KEY, this.#rangeSeq)
    for (let level = 0; ; level++) {
      const page = this.#open[level]
      if (page === undefined) continue
      if (level < this.#open.length - 1) {
        this.#close(level)
        continue
      }
      if (level > 0 && page.count === 1) return { ...page.last!, level: level - 1 }
      this.#open[level] = undefined
      return { ...this.#write(page), level }
    }
  }

  /** Makes the page in the making at `level` a child of the one above. */
  #close(level: number): void {
    const page = this.#open[level]
    if (page === undefined) return
    this.#open[level] = undefined
    this.#addChild(level + 1, page.lower, this.#write(page))
    this.#spare.push(page)
  }

  #begin(level: number, lower: Uint8Array, seq: number): OpenPage {
    const spare = this.#spare.pop()
    return spare === undefined
      ? new OpenPage(this.#storage.pageBytes, level, lower, seq)
      : spare.reset(level, lower, seq)
  }

  #addChild(level: number, lower: Uint8Array, link: PageLink): void {
    const above = this.#open[level]
    if (above?.addChild(lower, lower.length, link) === true) return
    this.#close(level)
    // Levels below may have nothing in the making.
    while (this.#open.length < level) this.#open.push(undefined)
    const page = this.#begin(level, lower, 0)
    page.addChild(lower, lower.length, link)
    this.#open[level] = page
  }

  #write(open: OpenPage): PageLink {
    const { map, table, epoch } = this.#storage
    const page = map.allocate(1)
    table.coverPage(page)
    this.#pages.add(page, 1)
    open.build(this.#scratch, page, epoch)
    const checksum = checksumOf(this.#storage.seal, this.#scratch.bytes)
    table.setChecksum(page, checksum)
    table.state[page] = CHECKSUM_KNOWN | STAGED
    this.#stream.page(page, this.#scratch)
    if (table.residentPages < this.#residentMax(open.level)) this.#keep(page)
    return { page, seq: open.seq, checksum }
  }

  /** Branches are needed whatever is read next; of the leaves nobody knows which, so that they leave most of the memory to what will be. */
  #residentMax(level: number): number {
    return level > 0 ? this.#pagesMax : this.#pagesMax >>> 3
  }

  #keep(page: number): void {
    const { table } = this.#storage
    const ref = new PageRef(this.#storage.pageBytes)
    const frame = table.takeFrame(ref)
    copyPage(ref, this.#scratch)
    table.bind(page, frame)
  }
}
