import { WRITING } from './frames.ts'
import type { PageFile } from './page-file.ts'
import type { PageRef } from './page.ts'
import type { Storage } from './storage.ts'

/** Bytes handed to the file in one write. */
const BUFFER_BYTES = 1 << 20
/** Writes under way at a time: the next buffers fill meanwhile. */
const WRITES_MAX = 3

/**
 * Finished pages and extents on their way to their places in the file: neighbours go in one large write, and the disk works while
 * the next ones are made. Nothing is durable before `sync` of the file.
 */
export class PageStream {
  readonly #storage: Storage
  readonly #file: PageFile
  readonly #spare: Uint8Array[] = []
  readonly #writes: Set<Promise<void>> = new Set()
  #buffer: Uint8Array
  #used = 0
  /** Position in the file of the buffer's first byte. */
  #position = 0
  /** Tree pages in the buffer. */
  #pages: number[] = []
  #failure: Error | undefined
  /** Bytes put so far. */
  bytes = 0

  constructor(storage: Storage, file: PageFile) {
    this.#storage = storage
    this.#file = file
    this.#buffer = new Uint8Array(BUFFER_BYTES)
  }

  /** A page of the tree; its bytes are copied. */
  page(page: number, ref: PageRef): void {
    const at = this.#place(page, ref.size)
    this.#buffer.set(ref.bytes.subarray(ref.base, ref.base + ref.size), at)
    this.#file.seal(this.#buffer.subarray(at, at + ref.size))
    this.#storage.table.state[page]! |= WRITING
    this.#pages.push(page)
  }

  /** A large value behind its header, in pages from `page` on; the bytes are copied. */
  extent(page: number, header: Uint8Array, value: Uint8Array): void {
    const length = header.length + value.length
    const at = this.#place(page, length)
    if (at + length > this.#buffer.length) {
      const whole = new Uint8Array(length)
      whole.set(header)
      whole.set(value, header.length)
      this.#file.seal(whole)
      this.#used = at
      this.#write(whole, page * this.#storage.pageBytes, [])
      return
    }
    this.#buffer.set(header, at)
    this.#buffer.set(value, at + header.length)
    this.#file.seal(this.#buffer.subarray(at, at + length))
  }

  /** Resolves when more may be put. Rejects if a write failed, which is final. */
  async room(): Promise<void> {
    while (this.#writes.size >= WRITES_MAX) await Promise.race(this.#writes)
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Hands everything to the file; resolves when all writes have returned. */
  async settle(): Promise<void> {
    this.#flush()
    await Promise.all(this.#writes)
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Offset in the buffer for `length` bytes at the beginning of `page`. */
  #place(page: number, length: number): number {
    const position = page * this.#storage.pageBytes
    this.bytes += length
    const at = position - this.#position
    // The rest of an extent's last page is part of the run.
    const isNext = this.#used > 0 && at >= this.#used && at - this.#used < this.#storage.pageBytes
    if (!isNext || at + length > this.#buffer.length) {
      this.#flush()
      this.#position = position
      this.#used = Math.min(length, this.#buffer.length)
      return 0
    }
    this.#buffer.fill(0, this.#used, at)
    this.#used = at + length
    return at
  }

  #flush(): void {
    if (this.#used === 0) return
    const buffer = this.#buffer
    this.#buffer = this.#spare.pop() ?? new Uint8Array(BUFFER_BYTES)
    this.#write(buffer.subarray(0, this.#used), this.#position, this.#pages, buffer)
    this.#pages = []
    this.#used = 0
  }

  #write(bytes: Uint8Array, position: number, pages: readonly number[], spare?: Uint8Array): void {
    const { table } = this.#storage
    const writing = this.#file.write(bytes, position).then(
      () => {
        for (const page of pages) {
          table.state[page]! &= ~WRITING
          this.#storage.onWritten(page)
        }
        if (spare !== undefined) this.#spare.push(spare)
      },
      (error: unknown) => {
        this.#failure ??= error instanceof Error ? error : new Error(String(error))
      },
    )
    this.#writes.add(writing)
    void writing.then(() => this.#writes.delete(writing))
  }
}
