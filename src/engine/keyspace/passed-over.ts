import { readExtentPointer } from './extents.ts'
import { PageKind } from './layout.ts'
import { cellCount, initPage, pageLevel, PageRef, removeCell } from './page.ts'
import { RecordRef } from './record.ts'

/** Pages and large values of a file that do not hold, and are read as if there was nothing in them. */
export class PassedOver {
  readonly #pages: ReadonlySet<number>
  readonly #extents: ReadonlySet<number>
  readonly #record: RecordRef = new RecordRef()

  /** First pages of extents. */
  constructor(pages: ReadonlySet<number>, extents: ReadonlySet<number>) {
    this.#pages = pages
    this.#extents = extents
  }

  /** Puts an empty leaf in the place of a page that is passed over, whatever was below it; false if this is none. */
  leaveOut(page: number, bytes: Uint8Array): boolean {
    if (!this.#pages.has(page)) return false
    bytes.fill(0)
    initPage(refOf(bytes), PageKind.leaf, 0, page, 0)
    return true
  }

  /** Takes the records out of a leaf whose large values are passed over. */
  leaveOutValues(bytes: Uint8Array): void {
    const ref = refOf(bytes)
    if (this.#extents.size === 0 || pageLevel(ref) > 0) return
    for (let i = cellCount(ref) - 1; i >= 0; i--) {
      const record = this.#record
      record.read(ref, i)
      if (record.isLarge && this.#extents.has(readExtentPointer(record.bytes, record.valueAt).page)) removeCell(ref, i)
    }
  }
}

function refOf(bytes: Uint8Array): PageRef {
  const ref = new PageRef(bytes.length, new Uint8Array(bytes.buffer), new Uint32Array(bytes.buffer))
  ref.base = bytes.byteOffset
  return ref
}
