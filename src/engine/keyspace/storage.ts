import type { Digest64 } from '../../encoding/index.ts'
import type { Seal } from '../../sealing/index.ts'
import { broken } from './assert.ts'
import { checksumOf } from './checksum.ts'
import { Cold } from './cold.ts'
import type { ExtentPointer } from './extents.ts'
import { ExtentCache, extentHeader, extentPages } from './extents.ts'
import { PageTable, STAGED, WRITING } from './frames.ts'
import { PAGE_HEADER_BYTES, SUPERBLOCK_AREA_BYTES } from './layout.ts'
import type { Mutants } from './mutants.ts'
import { birthOf, copyUsed, initPage, PageRef, stampPage } from './page.ts'
import type { RetentionOptions } from './roots.ts'
import { Roots } from './roots.ts'
import { SpaceMap } from './space-map.ts'
import type { SpaceUsage } from './spaces.ts'

/** The memory side of the page file: pages, extents, free space, retained roots, and the life of each page. */
export class Storage {
  readonly pageBytes: number
  readonly table: PageTable
  readonly map: SpaceMap
  readonly extents: ExtentCache = new ExtentCache()
  readonly roots: Roots
  readonly mutants: Mutants
  /** Of an encrypted or signed directory. */
  readonly seal: Seal | undefined
  readonly cold: Cold = new Cold()
  /** Since the start: pages that left memory, pages and large values that were read from the file; reads of large values, and those from the file. */
  readonly traffic: { evicted: number; loaded: number; valueReads: number; valueLoads: number } = {
    evicted: 0,
    loaded: 0,
    valueReads: 0,
    valueLoads: 0,
  }
  /** For page rebuilds; nothing keeps it across a call. */
  readonly scratch: PageRef
  /** The epoch being written, or the newest root's: pages born in it may be changed in place until they are staged. */
  epoch = 1
  /** Runs that were freed while a write of one of their pages was on its way, by that page. */
  readonly #freedWhileWriting: Map<number, { page: number; count: number }> = new Map()
  /** Told about every page that is given back, so that a read on its way is not taken for its next content. */
  onFree: ((page: number) => void) | undefined
  /** What a space held in the root of a seq. */
  usageAt: (prefix: Uint8Array, seq: number) => SpaceUsage = () => ({ records: 0, bytes: 0 })
  readonly #source: PageRef

  constructor(
    pageBytes: number,
    budgetBytes: number,
    retention: RetentionOptions,
    mutants: Mutants,
    seal: Seal | undefined,
  ) {
    this.seal = seal
    this.pageBytes = pageBytes
    this.mutants = mutants
    this.table = new PageTable(pageBytes, budgetBytes)
    this.map = new SpaceMap(SUPERBLOCK_AREA_BYTES / pageBytes, (pageBytes - PAGE_HEADER_BYTES) * 8)
    this.roots = new Roots(retention, (page, count) => this.free(page, count))
    this.scratch = PageRef.scratch(pageBytes)
    this.#source = new PageRef(pageBytes)
  }

  /** A new, empty page of this epoch; `ref` is pointed at it. */
  newPage(kind: number, level: number, ref: PageRef): number {
    const page = this.#newFrame(ref)
    initPage(ref, kind, level, page, this.epoch)
    return page
  }

  /** Whether a page may be changed in place: born in this epoch and never handed to the file. */
  isWritable(page: number, ref: PageRef): boolean {
    if (this.mutants.overwriteInPlace === true && (this.table.state[page]! & STAGED) !== 0) return this.#unstage(page)
    return birthOf(ref) === this.epoch && (this.table.state[page]! & STAGED) === 0
  }

  /** Replaces a page by a copy that may be changed; `ref` moves to the copy, whose number is returned. */
  copyForWrite(page: number, ref: PageRef): number {
    const source = this.#source
    source.bytes = ref.bytes
    source.words = ref.words
    source.view = ref.view
    source.base = ref.base
    const copy = this.#newFrame(ref)
    copyUsed(ref, source)
    stampPage(ref, copy, this.epoch)
    this.bury(page, 1, birthOf(source))
    return copy
  }

  /** The root being written no longer reaches these pages. */
  bury(page: number, count: number, birth: number): void {
    this.map.die(page, count)
    if (birth === this.epoch) this.free(page, count)
    else this.roots.bury(page, count, birth, this.epoch)
  }

  /** Gives dead pages back that no root sees. */
  free(page: number, count: number): void {
    for (let i = page; i < page + count; i++) {
      const isWriting = (this.table.state[i]! & WRITING) !== 0 || this.extents.entry(i)?.state === 'writing'
      if (!isWriting) continue
      this.#freedWhileWriting.set(i, { page, count })
      return
    }
    for (let i = page; i < page + count; i++) {
      if (this.table.isResident(i)) {
        if ((this.table.state[i]! & STAGED) === 0) this.table.dirtyPages--
        this.table.release(i)
      }
      this.table.state[i] = 0
      if (this.extents.bytes > 0) this.extents.remove(i)
      this.onFree?.(i)
    }
    this.map.free(page, count)
  }

  /** A write of this page or extent has returned: if it was freed meanwhile, it can go now. */
  onWritten(page: number): void {
    const freed = this.#freedWhileWriting.get(page)
    if (freed === undefined) return
    this.#freedWhileWriting.delete(page)
    this.free(freed.page, freed.count)
  }

  /** Keeps a large value: in memory until it is written, then where the pointer says. */
  newExtent(value: Uint8Array, digest: Digest64): ExtentPointer {
    const count = extentPages(value.length, this.pageBytes)
    const page = this.map.allocate(count)
    this.table.coverPage(page + count)
    const bytes = value.slice()
    const checksum = checksumOf(this.seal, extentHeader(page, this.epoch, value.length), bytes)
    this.extents.add({ page, bytes, birth: this.epoch, state: 'dirty', spared: 0 })
    return { page, length: value.length, birth: this.epoch, digest: { ...digest }, checksum }
  }

  buryExtent(pointer: ExtentPointer): void {
    this.bury(pointer.page, extentPages(pointer.length, this.pageBytes), pointer.birth)
  }

  #newFrame(ref: PageRef): number {
    const page = this.map.allocate(1)
    this.table.coverPage(page)
    if (this.table.state[page] !== 0) broken(`page ${page} is given out with a past`)
    this.table.bind(page, this.table.takeFrame(ref))
    this.table.dirtyPages++
    return page
  }

  #unstage(page: number): boolean {
    this.table.state[page] = 0
    this.table.dirtyPages++
    return true
  }
}
