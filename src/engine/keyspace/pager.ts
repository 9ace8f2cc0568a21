import type { Checksum } from './checksum.ts'
import type { Cold } from './cold.ts'
import { extentHeader } from './extents.ts'
import type { CachedExtent } from './extents.ts'
import { CHECKSUM_KNOWN, STAGED, WRITING } from './frames.ts'
import { AT_BIRTH, PAGE_HEADER_BYTES } from './layout.ts'
import type { PageFile } from './page-file.ts'
import { PageRef, pageLevel } from './page.ts'
import { hasUnstagedChild, stagePage } from './stage.ts'
import type { Storage } from './storage.ts'
import { readU64 } from '../../encoding/index.ts'

/** Pages in one write batch. */
export const BATCH_PAGES = 64
/** Added to the smallest budgets: one operation needs its whole path at once. */
const PATH_PAGES = 8
const SMALL_BUDGET_PAGES = 32
/** Of the budget: what others in memory never take from the pages. */
const PAGE_SHARE_MIN = 1 / 4
/** A page that was waited for is not evicted again before those who waited have looked at it. */
const PASSES_AFTER_LOAD = 4

/** A read on its way; replaced or forgotten when its page is freed. */
interface PageLoad {
  done: Promise<void>
}

/**
 * Keeps what is in memory within the budget (counted, not modelled) and brings back what is not. Clean pages leave by a clock
 * hand; dirty ones are first written to their own place, which no superblock reaches, in the background.
 */
export class Pager {
  readonly #storage: Storage
  readonly #file: PageFile
  readonly #budgetBytes: number
  #pagesMax = 0
  /** Where `#pagesMax` allows for the path of an operation: the pages of the budget itself. */
  #pagesAtRest = 0
  readonly extentBytesMax: number
  #isResting = false
  readonly #loads: Map<number, PageLoad> = new Map()
  readonly #ref: PageRef
  /** Of batches that were written: their memory would be given back by a collection of garbage only. One for each write that may be under way. */
  readonly #buffers: Uint8Array[] = []
  #hand = 0
  #flushing: Promise<void> | undefined
  /** Told of each page and extent that was read, so that the writer can pin it. */
  onLoaded: ((page: number, isExtent: boolean) => void) | undefined

  constructor(storage: Storage, file: PageFile, budgetBytes: number, extentBytesMax: number = budgetBytes / 4) {
    this.#storage = storage
    this.#file = file
    this.#ref = new PageRef(storage.pageBytes)
    this.#budgetBytes = budgetBytes
    this.reserve(0)
    this.extentBytesMax = Math.min(extentBytesMax, budgetBytes)
    storage.extents.bytesMax = this.extentBytesMax
    storage.onFree = page => this.#loads.delete(page)
  }

  /** So much of the budget is taken by others. A quarter of it stays with the pages, and three of them in any case. */
  reserve(bytes: number): void {
    const left = Math.max(this.#budgetBytes * PAGE_SHARE_MIN, this.#budgetBytes - bytes)
    const pages = Math.max(3, Math.floor(left / this.#storage.pageBytes))
    if (pages === this.#pagesAtRest) return
    this.#pagesAtRest = pages
    this.#pagesMax = pages < SMALL_BUDGET_PAGES ? Math.max(4, pages) + PATH_PAGES : pages
  }

  get file(): PageFile {
    return this.#file
  }

  get pagesMax(): number {
    return this.#pagesMax
  }

  /** Whether so much waits to be written that new entries should be refused ("busy"). */
  get isBusy(): boolean {
    const { table, extents, pageBytes } = this.#storage
    const dirty = table.dirtyPages + extents.dirtyBytes / pageBytes
    return dirty > Math.max(this.#pagesMax * 0.75, 2 * BATCH_PAGES)
  }

  /** Reads what is missing; two loads of one page share the read. Rejects with `PageDamage`. */
  async load(cold: Cold): Promise<void> {
    this.#isResting = false
    const loads: Promise<void>[] = []
    for (let i = 0; i < cold.pages.length; i++) {
      const page = cold.pages[i]!
      loads.push(this.#loads.get(page)?.done ?? this.#start(page, cold.checksums[i]!, cold.extentBytes[i]!))
    }
    await Promise.all(loads)
    this.trim()
  }

  /** Whoever asks goes on at once: what is read here is spared once, not as long as what is waited for. */
  loadSync(cold: Cold): void {
    const { table } = this.#storage
    this.#isResting = false
    for (let i = 0; i < cold.pages.length; i++) {
      const page = cold.pages[i]!
      const extentBytes = cold.extentBytes[i]!
      if (extentBytes > 0) {
        const bytes = new Uint8Array(PAGE_HEADER_BYTES + extentBytes)
        this.#file.readSync(bytes, page * this.#storage.pageBytes)
        this.#keepExtent(page, bytes, cold.checksums[i]!, 1)
      } else if (!table.isResident(page)) {
        const ref = new PageRef(this.#storage.pageBytes)
        const frame = table.takeFrame(ref)
        try {
          const target = ref.bytes.subarray(ref.base, ref.base + ref.size)
          const length = this.#file.readSync(target, page * this.#storage.pageBytes)
          this.#bind(page, frame, target, length, cold.checksums[i]!, 1)
        } catch (error) {
          table.dropFrame(frame)
          throw error
        }
      }
    }
    this.trim()
  }

  /** Brings memory back within the budget as far as clean pages allow, and has dirty ones written if that is not enough. */
  trim(): void {
    const { table, extents } = this.#storage
    this.#isResting = false
    extents.shrink(this.extentBytesMax)
    const over = this.#held - this.#pagesMax
    if (over > 0) this.#evict(over, 1)
    const isDirty = table.dirtyPages > this.#pagesMax / 2 || extents.dirtyBytes > this.extentBytesMax / 2
    if (isDirty || this.#held > this.#pagesMax) this.#startFlush()
  }

  /** Nothing relies on what is in memory: small budgets are kept to the page, whatever was used lately. */
  rest(): void {
    if (this.#pagesAtRest === this.#pagesMax || this.#held <= this.#pagesAtRest) return
    this.#storage.extents.shrink(this.extentBytesMax)
    this.#evict(this.#held - this.#pagesAtRest, PASSES_AFTER_LOAD + 2)
    this.#isResting = true
    if (this.#held > this.#pagesAtRest) this.#startFlush()
  }

  /** Pages in memory, and what large values take there, in pages. */
  get #held(): number {
    const { table, extents, pageBytes } = this.#storage
    return table.residentPages + Math.ceil(extents.bytes / pageBytes)
  }

  #startFlush(): void {
    if (this.#flushing !== undefined || this.#file.failure !== undefined) return
    this.#flushing = this.#flush().finally(() => {
      this.#flushing = undefined
    })
  }

  /** Waits for the background writing in progress, if any. */
  async settled(): Promise<void> {
    await this.#flushing
  }

  /** Writes extents to their places; they are clean afterwards. */
  async writeExtents(extents: readonly CachedExtent[]): Promise<void> {
    for (const extent of extents) {
      if (extent.state !== 'dirty') continue
      extent.state = 'writing'
      const bytes = new Uint8Array(PAGE_HEADER_BYTES + extent.bytes.length)
      bytes.set(extentHeader(extent.page, extent.birth, extent.bytes.length))
      bytes.set(extent.bytes, PAGE_HEADER_BYTES)
      this.#file.seal(bytes)
      await this.#file.write(bytes, extent.page * this.#storage.pageBytes)
      this.#storage.extents.markClean(extent)
      this.#storage.onWritten(extent.page)
      await this.#file.syncIfMuch()
    }
  }

  /** Hands dirty pages (children before their parents) to the file; neighbours in the file go in one write. */
  async writePages(pages: number[]): Promise<void> {
    const { table, pageBytes } = this.#storage
    for (const page of pages) stagePage(this.#storage, page)
    const sorted = pages.toSorted((a, b) => a - b)
    const buffer = this.#buffers.pop() ?? new Uint8Array(BATCH_PAGES * pageBytes)
    sorted.forEach((page, i) => {
      table.require(page, this.#ref)
      buffer.set(this.#ref.bytes.subarray(this.#ref.base, this.#ref.base + pageBytes), i * pageBytes)
      this.#file.seal(buffer.subarray(i * pageBytes, (i + 1) * pageBytes))
    })
    const writes: Promise<void>[] = []
    for (let start = 0; start < sorted.length;) {
      let end = start + 1
      while (end < sorted.length && sorted[end] === sorted[end - 1]! + 1) end++
      writes.push(this.#file.write(buffer.subarray(start * pageBytes, end * pageBytes), sorted[start]! * pageBytes))
      start = end
    }
    await Promise.all(writes)
    this.#buffers.push(buffer)
    for (const page of sorted) {
      table.state[page]! &= ~WRITING
      this.#storage.onWritten(page)
    }
  }

  #start(page: number, checksum: Checksum, extentBytes: number): Promise<void> {
    if (extentBytes === 0 && this.#storage.table.isResident(page)) return Promise.resolve()
    const load: PageLoad = { done: Promise.resolve() }
    this.#loads.set(page, load)
    const reading =
      extentBytes > 0 ? this.#loadExtent(page, checksum, extentBytes, load) : this.#loadPage(page, checksum, load)
    load.done = reading.finally(() => {
      if (this.#loads.get(page) === load) this.#loads.delete(page)
    })
    return load.done
  }

  async #loadPage(page: number, checksum: Checksum, load: PageLoad): Promise<void> {
    const { table, pageBytes } = this.#storage
    const ref = new PageRef(pageBytes)
    const frame = table.takeFrame(ref)
    const target = ref.bytes.subarray(ref.base, ref.base + pageBytes)
    try {
      const length = await this.#file.read(target, page * pageBytes)
      // Freed meanwhile, or read by somebody who did not wait: this copy is not wanted any more.
      if (this.#loads.get(page) !== load || table.isResident(page)) table.dropFrame(frame)
      else this.#bind(page, frame, target, length, checksum, PASSES_AFTER_LOAD)
    } catch (error) {
      table.dropFrame(frame)
      throw error
    }
  }

  #bind(page: number, frame: number, bytes: Uint8Array, length: number, checksum: Checksum, passes: number): void {
    const { table, mutants } = this.#storage
    const isKnown = (table.state[page]! & CHECKSUM_KNOWN) !== 0
    const expected = isKnown ? table.checksumOf(page) : checksum
    if (length < bytes.length) bytes.fill(0, length)
    this.#file.verify(bytes, page, expected, 'tree', mutants.checksumInPage === true)
    table.setChecksum(page, expected)
    table.state[page]! |= CHECKSUM_KNOWN | STAGED
    table.bind(page, frame)
    table.touched[frame] = passes
    this.#storage.traffic.loaded++
    this.onLoaded?.(page, false)
  }

  async #loadExtent(page: number, checksum: Checksum, length: number, load: PageLoad): Promise<void> {
    if (this.#storage.extents.get(page) !== undefined) {
      this.onLoaded?.(page, true)
      return
    }
    const bytes = new Uint8Array(PAGE_HEADER_BYTES + length)
    await this.#file.read(bytes, page * this.#storage.pageBytes)
    if (this.#loads.get(page) === load) this.#keepExtent(page, bytes, checksum, PASSES_AFTER_LOAD)
  }

  #keepExtent(page: number, bytes: Uint8Array, checksum: Checksum, spared: number): void {
    const value = this.#file.verifyExtent(bytes, page, checksum)
    if (this.#storage.extents.entry(page) !== undefined) return
    const birth = readU64(bytes, AT_BIRTH)
    this.#storage.traffic.loaded++
    this.#storage.traffic.valueLoads++
    this.#storage.extents.add({ page, bytes: value, birth, state: 'clean', spared })
    this.onLoaded?.(page, true)
  }

  /** Drops up to `count` clean pages that were not used since the hand last passed; it goes round `passes` times at most. */
  #evict(count: number, passes: number): void {
    const { table } = this.#storage
    const frames = table.frameCount
    let looks = passes * Math.min(frames, 8 * count + 1024)
    while (count > 0 && looks-- > 0) {
      const frame = this.#hand
      this.#hand = frame + 1 >= frames ? 0 : frame + 1
      const page = table.pageOf[frame]!
      if (page === 0 || table.isPinned(frame)) continue
      if (table.touched[frame]! > 0) {
        table.touched[frame]!--
        continue
      }
      if ((table.state[page]! & (STAGED | WRITING)) !== STAGED) continue
      table.release(page)
      this.#storage.traffic.evicted++
      count--
    }
  }

  /** Writes dirty pages and extents until memory is within the budget and at most a quarter of it is dirty. */
  async #flush(): Promise<void> {
    const { table, extents } = this.#storage
    try {
      for (;;) {
        if (extents.dirtyBytes > 0) await this.writeExtents(extents.dirty(Infinity))
        extents.shrink(this.extentBytesMax)
        const pages = this.#dirtyVictims()
        if (pages.length > 0) await this.writePages(pages)
        const isResting = this.#isResting
        const over = this.#held - (isResting ? this.#pagesAtRest : this.#pagesMax)
        if (over > 0) this.#evict(over, isResting ? PASSES_AFTER_LOAD + 2 : 1)
        if (pages.length === 0 || (over <= 0 && table.dirtyPages <= this.#pagesMax / 4)) return
      }
    } catch {
      // The file has latched its failure, and told whoever owns it.
    }
  }

  /** Dirty pages that can be written now: all below them has a checksum. Cold ones first. */
  #dirtyVictims(): number[] {
    const { table } = this.#storage
    const frames = table.frameCount
    const victims: number[] = []
    let hand = this.#hand
    for (let looks = Math.min(2 * frames, 64 * 1024); looks > 0 && victims.length < BATCH_PAGES; looks--) {
      const frame = hand
      hand = hand + 1 >= frames ? 0 : hand + 1
      const page = table.pageOf[frame]!
      if (page === 0 || table.isPinned(frame) || (table.state[page]! & STAGED) !== 0) continue
      if (table.frameOf[page] !== frame + 1 || victims.includes(page)) continue
      const slab = this.#ref
      const touched = table.touched[frame]!
      table.require(page, slab)
      table.touched[frame] = 0
      if (touched > 0 && looks > frames) continue
      if (pageLevel(slab) > 0 && hasUnstagedChild(this.#storage, slab)) continue
      victims.push(page)
    }
    return victims
  }
}
