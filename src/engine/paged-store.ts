import { crc32, readU32, writeU32, writeU64 } from '../encoding/index.ts'
import { QuorateError } from '../model/index.ts'
import type { File, Files } from '../platform/index.ts'

/** Where a page of a `PagedStore` lies, and what it must hold. */
export interface StoredPage {
  /** From 0, in the order in which they were appended. */
  readonly pageId: number
  readonly length: number
  /** CRC-32 over number, length and bytes. */
  readonly checksum: number
}

export interface PagedStoreOptions {
  /** The most that a page holds: 256 to 16 MiB; fixed when the file is created. */
  pageBytes: number
  /** Pages that are kept in memory; default 0. */
  cachePages?: number
  /** Cuts a last page off that was not written whole, instead of refusing to open. */
  repair?: boolean
}

export const PAGE_STORE_MAGIC = 'QPAGES\0\u0001'
const FORMAT = 1
const HEADER_BYTES = 64
const FRAME_BYTES = 32
const AT_LENGTH = 8
const AT_CHECKSUM = 12
const PAGE_BYTES_MIN = 256
const PAGE_BYTES_MAX = 16 << 20
/** Bytes of one write of `appendMany`. */
const BATCH_BYTES = 4 << 20

/**
 * A file of pages that are appended and never changed (docs/formats/paged-store.md). All but opening and closing works on the caller's
 * thread. What was appended is durable after `sync`. A failed write or sync is final: nothing is appended after it.
 */
export class PagedStore {
  readonly pageBytes: number
  readonly #file: File
  readonly #cache: PageCache
  readonly #frame: Uint8Array
  #pages: number
  #failure: unknown

  private constructor(file: File, pageBytes: number, pages: number, cachePages: number) {
    this.#file = file
    this.pageBytes = pageBytes
    this.#pages = pages
    this.#cache = new PageCache(cachePages)
    this.#frame = new Uint8Array(FRAME_BYTES + pageBytes)
  }

  /**
   * Opens `path`, creating it where there is none.
   * @throws QuorateError `invalid_argument` for impossible sizes or those of another file; `damaged` naming file and offset; FileError
   */
  static async open(files: Files, path: string, options: PagedStoreOptions): Promise<PagedStore> {
    const { pageBytes, cachePages = 0, repair = false } = options
    requireWhole('pageBytes', pageBytes, PAGE_BYTES_MIN, PAGE_BYTES_MAX)
    requireWhole('cachePages', cachePages, 0, 2 ** 24)
    const isNew = (await files.size(path)) === undefined
    const file = await files.open(path, isNew ? 'create' : 'readWrite')
    try {
      if (isNew) {
        await file.write(encodeHeader(pageBytes), 0)
        await file.sync()
        await files.syncDirectory(path.slice(0, Math.max(path.lastIndexOf('/'), 1)))
        return new PagedStore(file, pageBytes, 0, cachePages)
      }
      await requireHeader(file, pageBytes)
      const stride = FRAME_BYTES + pageBytes
      const bytes = file.sizeSync() - HEADER_BYTES
      const pages = Math.floor(bytes / stride)
      if (bytes % stride !== 0) {
        const offset = HEADER_BYTES + pages * stride
        if (!repair) throw damaged(path, offset, `page ${pages} is not whole`)
        await file.truncate(offset)
        await file.sync()
      }
      return new PagedStore(file, pageBytes, pages, cachePages)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  get pageCount(): number {
    return this.#pages
  }

  get cachedPages(): number {
    return this.#cache.size
  }

  /** @throws QuorateError `value_too_large`, `storage_failed`; FileError where the disk fails */
  append(payload: Uint8Array): StoredPage {
    const page = this.#lay(this.#frame, 0, payload, this.#pages)
    // What a longer page has left behind.
    this.#frame.fill(0, FRAME_BYTES + payload.length)
    this.#write(this.#frame)
    this.#pages++
    this.#cache.add(page, payload)
    return page
  }

  /**
   * Appends all, in order, in few writes; of these the last ones are in memory afterwards.
   * @throws as `append`; after a failed write none of the pages counts
   */
  appendMany(payloads: readonly Uint8Array[]): StoredPage[] {
    const stride = FRAME_BYTES + this.pageBytes
    const perWrite = Math.max(1, Math.floor(BATCH_BYTES / stride))
    const pages: StoredPage[] = []
    for (let from = 0; from < payloads.length; from += perWrite) {
      const count = Math.min(perWrite, payloads.length - from)
      const bytes = new Uint8Array(count * stride)
      for (let i = 0; i < count; i++) {
        pages.push(this.#lay(bytes, i * stride, payloads[from + i]!, this.#pages + from + i))
      }
      this.#write(bytes, from)
    }
    this.#pages += payloads.length
    for (let i = Math.max(0, payloads.length - this.#cache.capacity); i < payloads.length; i++) {
      this.#cache.add(pages[i]!, payloads[i]!)
    }
    return pages
  }

  /**
   * The bytes of a page: the cache's own, not to be changed. hot path (bench/gate).
   * @throws QuorateError `damaged` naming file and offset if the page is not the one that `page` names; `not_found` beyond the end
   */
  read(page: StoredPage): Uint8Array {
    return this.#cache.get(page) ?? this.#readFile(page)
  }

  #readFile(page: StoredPage): Uint8Array {
    const { pageId, length, checksum } = page
    if (!(pageId >= 0 && pageId < this.#pages)) throw new QuorateError('not_found', `there is no page ${pageId}`)
    const offset = this.#offset(pageId)
    const bytes = new Uint8Array(FRAME_BYTES + Math.min(length, this.pageBytes))
    const read = this.#file.readSync(bytes, offset)
    const payload = bytes.subarray(FRAME_BYTES)
    const isNumber = readU32(bytes, 0) === pageId >>> 0 && readU32(bytes, 4) === Math.floor(pageId / 2 ** 32)
    const isSame = isNumber && readU32(bytes, AT_LENGTH) === length && read === bytes.length
    if (!isSame || readU32(bytes, AT_CHECKSUM) !== checksum || checksumOf(bytes, payload) !== checksum) {
      throw damaged(this.#file.path, offset, `page ${pageId} is not the one that was appended`)
    }
    this.#cache.keep(page, payload)
    return payload
  }

  /** Makes everything appended durable. @throws QuorateError `storage_failed`; FileError where the disk fails */
  sync(): void {
    this.#requireHealthy()
    try {
      this.#file.syncSync()
    } catch (error) {
      this.#failure = error
      throw error
    }
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  #offset(pageId: number): number {
    return HEADER_BYTES + pageId * (FRAME_BYTES + this.pageBytes)
  }

  /** Writes a page's frame into `bytes`, whose rest up to the next frame is zero. */
  #lay(bytes: Uint8Array, at: number, payload: Uint8Array, pageId: number): StoredPage {
    const { length } = payload
    if (length > this.pageBytes) {
      throw new QuorateError('value_too_large', `${length} bytes in a page of ${this.pageBytes}`)
    }
    writeU64(bytes, at, pageId)
    writeU32(bytes, at + AT_LENGTH, length)
    const checksum = checksumOf(at === 0 ? bytes : bytes.subarray(at, at + AT_CHECKSUM), payload)
    writeU32(bytes, at + AT_CHECKSUM, checksum)
    bytes.set(payload, at + FRAME_BYTES)
    return { pageId, length, checksum }
  }

  #write(bytes: Uint8Array, pagesBefore = 0): void {
    this.#requireHealthy()
    try {
      this.#file.writeSync(bytes, this.#offset(this.#pages + pagesBefore))
    } catch (error) {
      this.#failure = error
      throw error
    }
  }

  #requireHealthy(): void {
    if (this.#failure === undefined) return
    throw new QuorateError('storage_failed', `${this.#file.path} failed before`, { cause: this.#failure })
  }
}

/** The pages read or appended last, within a number of them: one that was read since the hand last passed is passed over once. */
class PageCache {
  readonly capacity: number
  readonly #slots: Map<number, number> = new Map()
  readonly #pages: Uint8Array[] = []
  readonly #ids: number[] = []
  readonly #isUsed: Uint8Array
  readonly #checksums: Uint32Array
  #hand = 0

  constructor(capacity: number) {
    this.capacity = capacity
    this.#isUsed = new Uint8Array(capacity)
    this.#checksums = new Uint32Array(capacity)
  }

  get size(): number {
    return this.#slots.size
  }

  get({ pageId, checksum }: StoredPage): Uint8Array | undefined {
    const slot = this.#slots.get(pageId)
    if (slot === undefined || this.#checksums[slot] !== checksum) return undefined
    this.#isUsed[slot] = 1
    return this.#pages[slot]
  }

  /** Keeps a copy. */
  add(page: StoredPage, payload: Uint8Array): void {
    if (this.capacity > 0) this.keep(page, payload.slice())
  }

  keep({ pageId, checksum }: StoredPage, bytes: Uint8Array): void {
    if (this.capacity === 0) return
    const slot = this.#slots.get(pageId) ?? this.#freeSlot()
    const before = this.#ids[slot]
    if (before !== undefined) this.#slots.delete(before)
    this.#slots.set(pageId, slot)
    this.#ids[slot] = pageId
    this.#pages[slot] = bytes
    this.#checksums[slot] = checksum
    this.#isUsed[slot] = 0
  }

  #freeSlot(): number {
    if (this.#ids.length < this.capacity) return this.#ids.length
    for (;;) {
      const slot = this.#hand
      this.#hand = slot + 1 === this.capacity ? 0 : slot + 1
      if (this.#isUsed[slot] === 0) return slot
      this.#isUsed[slot] = 0
    }
  }
}

function checksumOf(frame: Uint8Array, payload: Uint8Array): number {
  return crc32(payload, crc32(frame.subarray(0, AT_CHECKSUM)))
}

function encodeHeader(pageBytes: number): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES)
  for (let i = 0; i < PAGE_STORE_MAGIC.length; i++) header[i] = PAGE_STORE_MAGIC.charCodeAt(i)
  writeU32(header, 8, FORMAT)
  writeU32(header, 12, pageBytes)
  writeU32(header, HEADER_BYTES - 4, crc32(header.subarray(0, HEADER_BYTES - 4)))
  return header
}

async function requireHeader(file: File, pageBytes: number): Promise<void> {
  const header = new Uint8Array(HEADER_BYTES)
  await file.read(header, 0)
  const isWhole = readU32(header, HEADER_BYTES - 4) === crc32(header.subarray(0, HEADER_BYTES - 4))
  const magic = String.fromCharCode(...header.subarray(0, PAGE_STORE_MAGIC.length))
  if (!isWhole || magic !== PAGE_STORE_MAGIC) throw damaged(file.path, 0, 'this is no header of a page store')
  if (readU32(header, 8) !== FORMAT) {
    throw new QuorateError('unsupported_version', `${file.path} has format ${readU32(header, 8)}`)
  }
  const own = readU32(header, 12)
  if (own !== pageBytes) {
    throw new QuorateError('invalid_argument', `${file.path} has pages of ${own} bytes, not ${pageBytes}`)
  }
}

function damaged(file: string, offset: number, what: string): QuorateError {
  return new QuorateError('damaged', `${file} at ${offset}: ${what}`, { detail: { file, offset } })
}

function requireWhole(what: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return
  throw new QuorateError('invalid_argument', `${what} is a whole number from ${least} to ${most}, not ${value}`)
}
