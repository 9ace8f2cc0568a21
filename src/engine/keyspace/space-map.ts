import { broken } from './assert.ts'

/**
 * Which places of the page file are taken. Two bitmaps over page numbers: `used` = may not be given out; `live` = reachable
 * from the root being written (what a checkpoint of that root records). A page that died but that a retained root still sees
 * is used and not live.
 */
export class SpaceMap {
  readonly firstPage: number
  /** Pages of `live` that one map page on file covers. */
  readonly pagesPerChunk: number
  /** Everything at or behind this page was never given out. */
  end: number
  usedPages = 0
  used: Uint32Array = new Uint32Array(64)
  live: Uint32Array = new Uint32Array(64)
  /** Chunks of `live` that changed since they were last recorded. */
  readonly changedChunks: Set<number> = new Set()
  #cursor: number
  /** Pages that the bitmaps reach. */
  #covered = 64 * 32
  /** First page of the chunk that was marked last. */
  #marked = -Infinity

  constructor(firstPage: number, pagesPerChunk: number) {
    this.firstPage = firstPage
    this.pagesPerChunk = pagesPerChunk
    this.end = firstPage
    this.#cursor = firstPage
  }

  /** The first of `count` pages in a row, now used and live. */
  allocate(count: number): number {
    const page = count === 1 ? this.#nextFree() : this.#nextRun(count)
    if (page + count > this.#covered) this.#grow(page + count - 1)
    for (let i = page; i < page + count; i++) {
      const bit = 1 << (i & 31)
      if ((this.used[i >>> 5]! & bit) !== 0) broken(`page ${i} is given out twice`)
      this.used[i >>> 5]! |= bit
      this.live[i >>> 5]! |= bit
      this.#markChanged(i)
    }
    this.usedPages += count
    if (page + count > this.end) this.end = page + count
    return page
  }

  /** The writer's root no longer reaches these pages. */
  die(page: number, count: number): void {
    for (let i = page; i < page + count; i++) {
      if (!this.isLive(i)) broken(`page ${i} dies twice`)
      this.live[i >>> 5]! &= ~(1 << (i & 31))
      this.#markChanged(i)
    }
  }

  /** Nobody sees these dead pages any more. */
  free(page: number, count: number): void {
    for (let i = page; i < page + count; i++) {
      if (!this.isUsed(i) || this.isLive(i)) broken(`page ${i} is not dead`)
      this.used[i >>> 5]! &= ~(1 << (i & 31))
    }
    this.usedPages -= count
  }

  /** Dead pages that are still used are part of the root being written again. */
  revive(page: number, count: number): void {
    for (let i = page; i < page + count; i++) {
      if (!this.isUsed(i) || this.isLive(i)) broken(`page ${i} is not dead`)
      this.live[i >>> 5]! |= 1 << (i & 31)
      this.#markChanged(i)
    }
  }

  /** Pages of an install that is not finished: not to be given out, and part of no root. */
  reserve(page: number, count: number): void {
    for (let i = page; i < page + count; i++) {
      this.#grow(i)
      if (this.isUsed(i)) broken(`page ${i} is reserved and used`)
      this.used[i >>> 5]! |= 1 << (i & 31)
    }
    this.usedPages += count
    if (page + count > this.end) this.end = page + count
  }

  /** Everything dies; returns the runs of what was live. */
  killAll(): [page: number, count: number][] {
    const runs: [number, number][] = []
    for (let page = this.firstPage; page < this.end; page++) {
      if (!this.isLive(page)) continue
      const last = runs.at(-1)
      if (last !== undefined && last[0] + last[1] === page) last[1]++
      else runs.push([page, 1])
    }
    for (let chunk = 0; chunk < this.chunkCount; chunk++) this.changedChunks.add(chunk)
    this.live.fill(0)
    return runs
  }

  /** All changes so far have been recorded. */
  forgetChanges(): void {
    this.changedChunks.clear()
    this.#marked = -Infinity
  }

  isUsed(page: number): boolean {
    return (this.used[page >>> 5]! & (1 << (page & 31))) !== 0
  }

  isLive(page: number): boolean {
    return (this.live[page >>> 5]! & (1 << (page & 31))) !== 0
  }

  /** Takes over a recorded bitmap: `into` is live (the newest root's) or only used (another retained root's). */
  adopt(firstPage: number, bits: Uint8Array, pages: number, into: 'live' | 'used'): void {
    for (let i = 0; i < pages; i++) {
      if ((bits[i >>> 3]! & (1 << (i & 7))) === 0) continue
      const page = firstPage + i
      this.#grow(page)
      const bit = 1 << (page & 31)
      if ((this.used[page >>> 5]! & bit) === 0) {
        this.used[page >>> 5]! |= bit
        this.usedPages++
      }
      if (into === 'live') this.live[page >>> 5]! |= bit
      if (page >= this.end) this.end = page + 1
    }
  }

  /** The number of chunks that reach `end`. */
  get chunkCount(): number {
    return Math.ceil((this.end - this.firstPage) / this.pagesPerChunk)
  }

  /** Writes chunk `chunk` of `live` as bits to `target`. */
  copyChunk(chunk: number, target: Uint8Array): void {
    const first = this.firstPage + chunk * this.pagesPerChunk
    const last = Math.min(this.end, first + this.pagesPerChunk)
    for (let page = first; page < last; page++) {
      if (this.isLive(page)) target[(page - first) >>> 3]! |= 1 << ((page - first) & 7)
    }
  }

  #markChanged(page: number): void {
    const from = page - this.#marked
    if (from >= 0 && from < this.pagesPerChunk) return
    const chunk = Math.floor((page - this.firstPage) / this.pagesPerChunk)
    this.#marked = this.firstPage + chunk * this.pagesPerChunk
    this.changedChunks.add(chunk)
  }

  #grow(page: number): void {
    const word = page >>> 5
    if (word < this.used.length) return
    const length = Math.max(word + 1, this.used.length * 2)
    this.#covered = length * 32
    const used = new Uint32Array(length)
    used.set(this.used)
    this.used = used
    const live = new Uint32Array(length)
    live.set(this.live)
    this.live = live
  }

  /** Next fit, once round; the file grows only when a sixteenth of it is not free. */
  #nextFree(): number {
    const total = this.end - this.firstPage
    const free = total - this.usedPages
    if (free <= total >>> 4) return this.end
    const { used, end } = this
    let page = this.#cursor
    for (let looked = 0; looked <= total + 64;) {
      if (page >= end) page = this.firstPage
      // The free pages of this word from `page` on.
      const free = (~used[page >>> 5]! >>> (page & 31)) << (page & 31)
      if (free === 0) {
        const next = (page | 31) + 1
        looked += next - page
        page = next
        continue
      }
      const found = (page & ~31) + 31 - Math.clz32(free & -free)
      if (found < end) {
        this.#cursor = found + 1
        return found
      }
      looked += end - page
      page = end
    }
    return end
  }

  /** First fit for a run, within a bounded look; otherwise at the end of the file. */
  #nextRun(count: number): number {
    const total = this.end - this.firstPage
    if (total - this.usedPages < Math.max(count, total >>> 4)) return this.end
    let run = 0
    let page = this.#cursor
    for (let looked = 0; looked < Math.min(total, 65536); looked++, page++) {
      if (page >= this.end) {
        page = this.firstPage
        run = 0
      }
      run = this.isUsed(page) ? 0 : run + 1
      if (run === count) {
        this.#cursor = page + 1
        return page + 1 - count
      }
    }
    return this.end
  }
}
