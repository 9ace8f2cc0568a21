import type { File } from '../../platform/index.ts'
import { readU32 } from '../../encoding/index.ts'
import type { Seal } from '../../sealing/index.ts'
import { checksumOf, checksumText, equalChecksums } from './checksum.ts'
import type { Checksum } from './checksum.ts'
import { PageDamage } from './damage.ts'
import { AT_FORMAT, AT_KIND, AT_PAGE, PAGE_FORMAT, PAGE_HEADER_BYTES, PageKind } from './layout.ts'
import type { PassedOver } from './passed-over.ts'
import { openPage, sealPage } from './page-seal.ts'

/** See `syncIfMuch`. */
const SYNCED_BYTES = 1 << 19

/** The page file and its latch: the first failed write or sync is final (rule D9). */
export class PageFile {
  readonly path: string
  readonly pageBytes: number
  readonly #file: File
  readonly #seal: Seal | undefined
  #passedOver: PassedOver | undefined
  readonly #pending: Set<Promise<void>> = new Set()
  /** Written since the last sync. */
  #unsyncedBytes = 0
  failure: unknown
  /** Told of that failure, once and at once, whoever has asked for the write. */
  onFailed: ((error: unknown) => void) | undefined

  constructor(file: File, pageBytes: number, seal: Seal | undefined) {
    this.#seal = seal
    this.#file = file
    this.path = file.path
    this.pageBytes = pageBytes
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return this.#file.read(target, position)
  }

  readSync(target: Uint8Array, position: number): number {
    return this.#file.readSync(target, position)
  }

  /** From now on these are read as if they were empty: for what can be had of a damaged file. */
  passOver(damaged: PassedOver): void {
    this.#passedOver = damaged
  }

  /** Makes a page, or an extent with its header, ready to be written, in place. Does nothing where nothing is encrypted. */
  seal(bytes: Uint8Array): void {
    if (this.#seal?.isEncrypting === true) sealPage(this.#seal, bytes)
  }

  /** The same, of a copy. */
  sealed(bytes: Uint8Array): Uint8Array {
    if (this.#seal?.isEncrypting !== true) return bytes
    const copy = bytes.slice()
    sealPage(this.#seal, copy)
    return copy
  }

  /** Writes pages and extents that were made ready by `seal`, or a superblock. */
  async write(bytes: Uint8Array, position: number): Promise<void> {
    this.requireHealthy()
    this.#unsyncedBytes += bytes.length
    const written = this.#file.write(bytes, position)
    this.#pending.add(written)
    try {
      await written
    } catch (error) {
      this.#fail(error)
      throw error
    } finally {
      this.#pending.delete(written)
    }
  }

  /** Waits for every write that is on its way, then makes all of them durable. */
  async sync(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending)
    this.requireHealthy()
    this.#unsyncedBytes = 0
    try {
      await this.#file.sync()
    } catch (error) {
      this.#fail(error)
      throw error
    }
  }

  /** Makes durable what has been written by now; writes may go on meanwhile. */
  async syncSoFar(): Promise<void> {
    await Promise.all(this.#pending)
    this.requireHealthy()
    this.#unsyncedBytes = 0
    try {
      await this.#file.sync()
    } catch (error) {
      this.#fail(error)
      throw error
    }
  }

  /** As `syncSoFar` if much was written since: whoever writes a lot calls it now and then, and no commit waits for all of that at once. */
  async syncIfMuch(): Promise<void> {
    if (this.#unsyncedBytes >= SYNCED_BYTES) await this.syncSoFar()
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#pending)
    await this.#file.close()
  }

  #fail(error: unknown): void {
    if (this.failure !== undefined) return
    this.failure = error
    this.onFailed?.(error)
  }

  requireHealthy(): void {
    if (this.failure !== undefined) throw new Error(`${this.path} failed before`, { cause: this.failure })
  }

  /** Decrypts a page that was read, in place, and checks it against the checksum in its pointer and against its own header. */
  verify(bytes: Uint8Array, page: number, checksum: Checksum, kind: 'tree' | PageKind, ownClaim: boolean): void {
    const offset = page * this.pageBytes
    if (kind === 'tree' && this.#passedOver?.leaveOut(page, bytes) === true) return
    this.#open(bytes, page)
    const actual = ownClaim ? checksum : checksumOf(this.#seal, bytes)
    if (!equalChecksums(actual, checksum)) {
      const detail = { expected: checksumText(checksum), actual: checksumText(actual) }
      throw new PageDamage(
        this.path,
        offset,
        bytes.length,
        `page ${page} is not the one that its pointer names`,
        detail,
      )
    }
    const found = bytes[AT_KIND]!
    const isKind = kind === 'tree' ? found === PageKind.leaf || found === PageKind.branch : found === kind
    if (!isKind || bytes[AT_FORMAT] !== PAGE_FORMAT || readU32(bytes, AT_PAGE) !== page) {
      throw new PageDamage(this.path, offset, bytes.length, `page ${page} has a header of something else`)
    }
    if (kind === 'tree') this.#passedOver?.leaveOutValues(bytes)
  }

  /** Reads a page that is no part of the tree: maps, space digests. */
  async readPage(page: number, checksum: Checksum, kind: PageKind): Promise<Uint8Array> {
    const bytes = new Uint8Array(this.pageBytes)
    await this.#file.read(bytes, page * this.pageBytes)
    this.verify(bytes, page, checksum, kind, false)
    return bytes
  }

  #open(bytes: Uint8Array, page: number): void {
    if (this.#seal?.isEncrypting !== true || openPage(this.#seal, bytes)) return
    const reason = `what lies at page ${page} was not encrypted here with this directory's keys`
    throw new PageDamage(this.path, page * this.pageBytes, bytes.length, reason)
  }

  /** Decrypts an extent that was read, header and all, in place, checks it, and returns its value. */
  verifyExtent(bytes: Uint8Array, page: number, checksum: Checksum): Uint8Array {
    this.#open(bytes, page)
    const actual = checksumOf(this.#seal, bytes)
    const isSame = equalChecksums(actual, checksum)
    if (!isSame || bytes[AT_KIND] !== PageKind.extent || readU32(bytes, AT_PAGE) !== page) {
      const reason = `extent ${page} is not the one that its pointer names`
      const detail = { expected: checksumText(checksum), actual: checksumText(actual) }
      throw new PageDamage(this.path, page * this.pageBytes, bytes.length, reason, detail)
    }
    return bytes.subarray(PAGE_HEADER_BYTES)
  }
}
