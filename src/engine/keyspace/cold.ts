import type { Checksum } from './checksum.ts'

/**
 * The answer of a call that met pages or extents which are not in memory. Nothing was changed. There is one object a
 * keyspace, overwritten by the next such call: give it to `Keyspace.load` at once, and call again when that is done.
 */
export class Cold {
  /** First pages of what is missing. */
  readonly pages: number[] = []
  /** What the pointers name. */
  readonly checksums: Checksum[] = []
  /** Bytes of a missing extent's value; 0 for a page. */
  readonly extentBytes: number[] = []

  reset(): void {
    if (this.pages.length === 0) return
    this.pages.length = 0
    this.checksums.length = 0
    this.extentBytes.length = 0
  }

  add(page: number, checksum: Checksum, extentBytes: number): void {
    if (this.pages.includes(page)) return
    this.pages.push(page)
    this.checksums.push(checksum)
    this.extentBytes.push(extentBytes)
  }

  only(page: number, checksum: Checksum, extentBytes: number = 0): this {
    this.reset()
    this.add(page, checksum, extentBytes)
    return this
  }
}
