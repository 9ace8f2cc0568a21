import { checksumOf } from './checksum.ts'
import { invariant } from './assert.ts'
import { childPage, setChildChecksum } from './branch.ts'
import { CHECKSUM_KNOWN, STAGED, WRITING } from './frames.ts'
import { cellCount, clearGap, PageRef, pageLevel } from './page.ts'
import type { Storage } from './storage.ts'

let ref: PageRef | undefined

/** Whether a branch points at a page that has no checksum yet: it cannot be written before that one. */
export function hasUnstagedChild(storage: Storage, branch: PageRef): boolean {
  const { table } = storage
  const count = cellCount(branch)
  for (let i = 0; i < count; i++) {
    const child = childPage(branch, i)
    if (table.isResident(child) && (table.state[child]! & STAGED) === 0) return true
  }
  return false
}

/**
 * Completes a page for the file: a branch gets its children's checksums, the page table gets its own. From here on the page
 * never changes, so that what is written, what is read and what pointers say cannot differ.
 */
export function stagePage(storage: Storage, page: number): void {
  const { table } = storage
  if (ref === undefined || ref.size !== storage.pageBytes) ref = new PageRef(storage.pageBytes)
  table.require(page, ref)
  invariant((table.state[page]! & STAGED) === 0, `page ${page} is staged twice`)
  if (pageLevel(ref) > 0) {
    const count = cellCount(ref)
    for (let i = 0; i < count; i++) {
      const child = childPage(ref, i)
      if ((table.state[child]! & CHECKSUM_KNOWN) !== 0) setChildChecksum(ref, i, table.checksumOf(child))
      else invariant(!table.isResident(child), `branch ${page} is staged before its child ${child}`)
    }
  }
  clearGap(ref)
  table.setChecksum(page, checksumOf(storage.seal, ref.bytes.subarray(ref.base, ref.base + ref.size)))
  table.state[page]! |= CHECKSUM_KNOWN | STAGED | WRITING
  table.dirtyPages--
}
