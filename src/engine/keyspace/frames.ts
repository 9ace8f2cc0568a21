import type { Checksum } from './checksum.ts'
import { CHECKSUM_BYTES } from './layout.ts'
import { broken } from './assert.ts'
import type { PageRef } from './page.ts'

/** A page's state on file: set bits of `PageTable.state`. */
export const CHECKSUM_KNOWN = 1
/** Its bytes were handed to the file: from then on they never change (a change copies the page). */
export const STAGED = 2
/** That write has not returned yet. */
export const WRITING = 4

const SLAB_BYTES_MAX = 64 * 1024 * 1024

/**
 * Where pages are. A page's number is its place in the file; while it is resident it also has a frame, a page-sized piece of
 * a slab. All of this is typed arrays: no object per page. The slabs are zero pages of the system until they are touched.
 */
export class PageTable {
  readonly pageBytes: number
  /** page -> frame + 1; 0 = not resident. */
  frameOf: Int32Array = new Int32Array(1024)
  state: Uint8Array = new Uint8Array(1024)
  /** frame -> page. */
  pageOf: Int32Array = new Int32Array(0)
  /** frame -> how many passes of the clock hand it survives; use makes it at least one. */
  touched: Uint8Array = new Uint8Array(0)
  /** Frames that hold a page or are being filled. */
  residentPages = 0
  /** Resident pages that are not staged. */
  dirtyPages = 0
  /** Counts pages that came into memory or left it: while it stands still, every page is where it was. */
  moves = 0

  /** frame -> `#pins` while an entry in the making relies on it. */
  #pinned: Uint32Array = new Uint32Array(0)
  #pins = 1
  /** page -> CRC-32, if CHECKSUM_KNOWN; with an integrity key 16 bytes a page. */
  #checksum: Uint32Array = new Uint32Array(1024)
  #longChecksum: Uint8Array | undefined
  readonly #pagesPerSlabShift: number
  readonly #pageShift: number
  readonly #bytes: Uint8Array[] = []
  readonly #words: Uint32Array[] = []
  readonly #views: DataView[] = []
  #free: number[] = []
  #frames = 0

  constructor(pageBytes: number, budgetBytes: number) {
    this.pageBytes = pageBytes
    this.#pageShift = 31 - Math.clz32(pageBytes)
    const wanted = Math.min(Math.max(budgetBytes, 64 * pageBytes), SLAB_BYTES_MAX)
    this.#pagesPerSlabShift = 32 - Math.clz32(Math.ceil(wanted / pageBytes) - 1)
  }

  get frameCount(): number {
    return this.#frames
  }

  isResident(page: number): boolean {
    return this.frameOf[page]! !== 0
  }

  isPinned(frame: number): boolean {
    return this.#pinned[frame] === this.#pins
  }

  /** hot path: keeps a resident page in memory until `unpinAll`. */
  pin(page: number): void {
    const frame = this.frameOf[page]! - 1
    if (frame >= 0) this.#pinned[frame] = this.#pins
  }

  unpinAll(): void {
    this.#pins = this.#pins === 0xffffffff ? 1 : this.#pins + 1
    if (this.#pins === 1) this.#pinned.fill(0)
  }

  /** hot path: points `ref` at a page; false if it is not resident. */
  locate(page: number, ref: PageRef): boolean {
    const frame = this.frameOf[page]! - 1
    if (frame < 0) return false
    this.touched[frame]! |= 1
    const slab = frame >>> this.#pagesPerSlabShift
    ref.bytes = this.#bytes[slab]!
    ref.words = this.#words[slab]!
    ref.view = this.#views[slab]!
    ref.base = (frame & ((1 << this.#pagesPerSlabShift) - 1)) << this.#pageShift
    return true
  }

  /** As `locate`, for pages that must be there. */
  require(page: number, ref: PageRef): void {
    if (!this.locate(page, ref)) broken(`page ${page} is not resident`)
  }

  /** Makes the per-page arrays reach beyond `page`. */
  coverPage(page: number): void {
    if (page < this.frameOf.length) return
    const length = Math.max(page + 1, this.frameOf.length * 2)
    this.frameOf = grown(new Int32Array(length), this.frameOf)
    this.#checksum = grown(new Uint32Array(length), this.#checksum)
    if (this.#longChecksum !== undefined) {
      this.#longChecksum = grown(new Uint8Array(length * CHECKSUM_BYTES), this.#longChecksum)
    }
    this.state = grown(new Uint8Array(length), this.state)
  }

  /** Of a page with CHECKSUM_KNOWN; prevails over what a pointer says, which is stale until the parent is written. */
  checksumOf(page: number): Checksum {
    const at = page * CHECKSUM_BYTES
    return this.#longChecksum?.slice(at, at + CHECKSUM_BYTES) ?? this.#checksum[page]!
  }

  setChecksum(page: number, checksum: Checksum): void {
    if (typeof checksum === 'number') {
      this.#checksum[page] = checksum
      return
    }
    this.#longChecksum ??= new Uint8Array(this.frameOf.length * CHECKSUM_BYTES)
    this.#longChecksum.set(checksum, page * CHECKSUM_BYTES)
  }

  /** A frame that no page owns. */
  takeFrame(ref: PageRef): number {
    let frame = this.#free.pop()
    if (frame === undefined) {
      this.#addSlab()
      frame = this.#free.pop()!
    }
    this.residentPages++
    const slab = frame >>> this.#pagesPerSlabShift
    ref.bytes = this.#bytes[slab]!
    ref.words = this.#words[slab]!
    ref.view = this.#views[slab]!
    ref.base = (frame & ((1 << this.#pagesPerSlabShift) - 1)) << this.#pageShift
    return frame
  }

  /** Makes `page` resident in `frame`. */
  bind(page: number, frame: number): void {
    if (this.frameOf[page] !== 0) broken(`page ${page} has a frame already`)
    this.moves++
    this.frameOf[page] = frame + 1
    this.pageOf[frame] = page
    this.touched[frame] = 1
    this.#pinned[frame] = 0
  }

  /** Gives back a frame that was taken and not bound. */
  dropFrame(frame: number): void {
    this.pageOf[frame] = 0
    this.#pinned[frame] = 0
    this.#free.push(frame)
    this.residentPages--
  }

  /** A page leaves memory. */
  release(page: number): void {
    const frame = this.frameOf[page]! - 1
    if (frame < 0) return
    this.moves++
    this.frameOf[page] = 0
    this.dropFrame(frame)
  }

  #addSlab(): void {
    const pages = 1 << this.#pagesPerSlabShift
    const buffer = new ArrayBuffer(pages * this.pageBytes)
    this.#bytes.push(new Uint8Array(buffer))
    this.#words.push(new Uint32Array(buffer))
    this.#views.push(new DataView(buffer))
    const first = this.#frames
    this.#frames += pages
    this.pageOf = grown(new Int32Array(this.#frames), this.pageOf)
    this.touched = grown(new Uint8Array(this.#frames), this.touched)
    this.#pinned = grown(new Uint32Array(this.#frames), this.#pinned)
    for (let frame = this.#frames - 1; frame >= first; frame--) this.#free.push(frame)
  }
}

function grown<T extends Int32Array | Uint32Array | Uint8Array>(larger: T, old: T): T {
  larger.set(old)
  return larger
}
