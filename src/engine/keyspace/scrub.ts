import type { Digest64 } from '../../encoding/index.ts'
import { addDigest, digestBytes, digestRecord, equalDigests, zeroDigest } from '../../encoding/index.ts'
import type { Checksum } from './checksum.ts'
import { childChecksum, childPage, childSeq } from './branch.ts'
import { PageDamage } from './damage.ts'
import { extentPages, readExtentPointer } from './extents.ts'
import { CHECKSUM_KNOWN, STAGED, WRITING } from './frames.ts'
import { PAGE_HEADER_BYTES } from './layout.ts'
import type { PageFile } from './page-file.ts'
import { cellCount, copyKey, PageRef, pageLevel } from './page.ts'
import { RecordRef } from './record.ts'
import type { Root } from './roots.ts'
import type { SpaceDigests } from './spaces.ts'
import type { Storage } from './storage.ts'

/** A reachable page or extent, for `quorate check data`. */
export interface PageReport {
  readonly file: string
  /** Bytes from the start of the file. */
  readonly offset: number
  readonly length: number
  /** So many of them are checked; what lies behind a large value, to the end of its last page, belongs to nobody. */
  readonly checkedBytes: number
  readonly kind: 'leaf' | 'branch' | 'extent' | 'unknown'
  /** Seq of the last change below, from the pointer. */
  readonly seq: number
  readonly state: 'ok' | 'damaged' | 'in_memory'
  readonly reason?: string
  /** What the pointer names and what is there, if that can be said. */
  readonly expected?: string | undefined
  readonly actual?: string | undefined
  /** First key and key behind the last that depend on it; undefined = to the end. */
  readonly lower: Uint8Array
  readonly upper: Uint8Array | undefined
}

/** What is checked between two turns of the loop. */
const STEP_BYTES = 64 << 10

export interface ScrubResult {
  readonly pages: number
  readonly records: number
  readonly damaged: PageReport[]
  /** S as the pages have it; means nothing where something is damaged. */
  readonly digestS: Digest64
  /** Whether that is the S of the root, and the spaces hold what they are said to. */
  readonly isEqual: boolean
}

interface Pending {
  page: number
  checksum: Checksum
  seq: number
  lower: Uint8Array
  upper: Uint8Array | undefined
}

/**
 * Reads every page and extent below a root from the file, past the cache, and compares each with its pointer. Yields a report
 * a page; in between the loop runs. The walk keeps one page and the pointers beside its path in memory.
 */
export class Scrub {
  readonly digestS: Digest64 = zeroDigest()
  records = 0
  readonly #storage: Storage
  readonly #file: PageFile
  readonly #spaces: SpaceDigests
  /** What was found. */
  readonly #found: SpaceDigests
  readonly #root: Root
  readonly #page: PageRef
  readonly #record: RecordRef = new RecordRef()

  constructor(storage: Storage, file: PageFile, spaces: SpaceDigests, root: Root) {
    this.#storage = storage
    this.#file = file
    this.#spaces = spaces
    this.#found = spaces.blank()
    this.#root = root
    this.#page = PageRef.scratch(storage.pageBytes)
  }

  async *pages(): AsyncGenerator<PageReport> {
    const first = { page: this.#root.page, checksum: 0, seq: this.#root.pageSeq }
    const stack: Pending[] = [{ ...first, lower: new Uint8Array(0), upper: undefined }]
    while (stack.length > 0) {
      const pending = stack.pop()!
      const report = await this.#check(pending)
      yield report
      if (report.state === 'damaged') continue
      if (pageLevel(this.#page) > 0) {
        stack.push(...childrenOf(this.#page, pending).toReversed())
        continue
      }
      for (const extent of this.#countRecords()) yield await this.#checkExtent(extent, pending)
    }
  }

  /** `turn` is awaited after each step of about `STEP_BYTES`: much may be in memory, where nothing else lets the loop run. */
  async run(turn?: () => Promise<void>): Promise<ScrubResult> {
    const damaged: PageReport[] = []
    let pages = 0
    let stepBytes = 0
    for await (const report of this.pages()) {
      pages++
      if (report.state === 'damaged') damaged.push(report)
      stepBytes += report.length
      if (stepBytes < STEP_BYTES || turn === undefined) continue
      stepBytes = 0
      await turn()
    }
    const isEqual =
      equalDigests(this.digestS, this.#root.digest) &&
      this.records === this.#root.records &&
      this.wrongSpace() === undefined
    return { pages, records: this.records, damaged, digestS: this.digestS, isEqual }
  }

  /** The prefix of a space that does not hold what the root says; to be asked after all pages, where none is damaged. */
  wrongSpace(): Uint8Array | undefined {
    const { seq } = this.#root
    return [...this.#spaces.prefixes(), ...this.#found.prefixes()].find(prefix => {
      const [said, found] = [this.#spaces.usageAt(prefix, seq), this.#found.usageNow(prefix)]
      return said.records !== found.records || said.bytes !== found.bytes
    })
  }

  /** Brings one page into `#page`: from the file if it was written, else, or while that is under way, from memory. */
  async #check(pending: Pending): Promise<PageReport> {
    const { table, pageBytes } = this.#storage
    const { page, seq, lower, upper } = pending
    const state = table.state[page]!
    const place = {
      file: this.#file.path,
      offset: page * pageBytes,
      length: pageBytes,
      checkedBytes: pageBytes,
      seq,
      lower,
      upper,
    }
    const here = new PageRef(pageBytes)
    if ((state & (STAGED | WRITING)) !== STAGED && table.locate(page, here)) {
      this.#page.bytes.set(here.bytes.subarray(here.base, here.base + pageBytes))
      return { ...place, kind: pageLevel(this.#page) === 0 ? 'leaf' : 'branch', state: 'in_memory' }
    }
    try {
      const length = await this.#file.read(this.#page.bytes, page * pageBytes)
      this.#page.bytes.fill(0, length)
      const checksum = (state & CHECKSUM_KNOWN) !== 0 ? table.checksumOf(page) : pending.checksum
      this.#file.verify(this.#page.bytes, page, checksum, 'tree', false)
      return { ...place, kind: pageLevel(this.#page) === 0 ? 'leaf' : 'branch', state: 'ok' }
    } catch (error) {
      if (!(error instanceof PageDamage)) throw error
      const { expected, actual, message } = error
      return { ...place, kind: 'unknown', state: 'damaged', reason: message, expected, actual }
    }
  }

  /** Adds the leaf's records to S and returns its extents. */
  #countRecords(): { page: number; checksum: Checksum; length: number; seq: number }[] {
    const leaf = this.#page
    const record = this.#record
    const extents: { page: number; checksum: Checksum; length: number; seq: number }[] = []
    const value = zeroDigest()
    const sum = zeroDigest()
    for (let i = 0; i < cellCount(leaf); i++) {
      record.read(leaf, i)
      const key = copyKey(leaf, i)
      const { versionSeq, createdSeq, expiresAtMicros } = record
      let length = record.valueBytes
      if (record.isLarge) {
        const pointer = readExtentPointer(record.bytes, record.valueAt)
        length = pointer.length
        Object.assign(value, pointer.digest)
        extents.push({ page: pointer.page, checksum: pointer.checksum, length, seq: versionSeq })
      } else digestBytes(value, record.bytes, record.valueAt, record.valueAt + length)
      if (this.#spaces.slotted?.isSlotted(key) === true) {
        this.#spaces.slotted.digest(sum, key, record.bytes, record.valueAt, record.valueAt + length)
      } else digestRecord(sum, key, 0, key.length, versionSeq, createdSeq, expiresAtMicros, length, value)
      addDigest(this.digestS, sum)
      this.records++
      const space = this.#found.of(key)
      this.#found.count(space, 1, key.length - space.prefix.length + length)
    }
    return extents
  }

  async #checkExtent(
    extent: { page: number; checksum: Checksum; length: number; seq: number },
    { lower, upper }: Pending,
  ): Promise<PageReport> {
    const { pageBytes, extents } = this.#storage
    const length = extentPages(extent.length, pageBytes) * pageBytes
    const offset = extent.page * pageBytes
    const checkedBytes = PAGE_HEADER_BYTES + extent.length
    const span = { file: this.#file.path, offset, length, checkedBytes }
    const place = { ...span, kind: 'extent' as const, seq: extent.seq, lower, upper }
    const cached = extents.entry(extent.page)
    if (cached !== undefined && cached.state !== 'clean') return { ...place, state: 'in_memory' }
    const bytes = new Uint8Array(PAGE_HEADER_BYTES + extent.length)
    await this.#file.read(bytes, offset)
    try {
      this.#file.verifyExtent(bytes, extent.page, extent.checksum)
      return { ...place, state: 'ok' }
    } catch (error) {
      if (!(error instanceof PageDamage)) throw error
      const { expected, actual, message } = error
      return { ...place, state: 'damaged', reason: message, expected, actual }
    }
  }
}

function childrenOf(branch: PageRef, parent: Pending): Pending[] {
  const count = cellCount(branch)
  return Array.from({ length: count }, (_, i) => ({
    page: childPage(branch, i),
    checksum: childChecksum(branch, i),
    seq: childSeq(branch, i),
    lower: i === 0 ? parent.lower : copyKey(branch, i),
    upper: i + 1 < count ? copyKey(branch, i + 1) : parent.upper,
  }))
}
