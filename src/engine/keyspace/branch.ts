import { readU32, readU64, writeU32, writeU64 } from '../../encoding/index.ts'
import { readChecksum, writeChecksum } from './checksum.ts'
import type { Checksum } from './checksum.ts'
import { CHECKSUM_BYTES, POINTER_BYTES, POINTER_CHECKSUM, POINTER_SEQ } from './layout.ts'
import type { PageRef } from './page.ts'
import { insertCell, payloadAt, searchPage } from './page.ts'

const TWO_32 = 4294967296

/**
 * A branch's cells are pointers to the pages below: child i holds the keys from its own key up to the next one's. The first
 * cell's key is never looked at (it stands for everything below the second) and is empty.
 */

/** hot path: which child holds `key`. */
export function childIndex(ref: PageRef, key: Uint8Array, length: number): number {
  const found = searchPage(ref, key, length, 1)
  return found >= 0 ? found : ~found - 1
}

export function childPage(ref: PageRef, index: number): number {
  return readU32(ref.bytes, payloadAt(ref, index))
}

export function childSeq(ref: PageRef, index: number): number {
  return readU64(ref.bytes, payloadAt(ref, index) + POINTER_SEQ)
}

export function childChecksum(ref: PageRef, index: number): Checksum {
  return readChecksum(ref.bytes, payloadAt(ref, index) + POINTER_CHECKSUM)
}

/** The checksum that stands there is another page's from now on, until the parent is staged: the page table prevails. */
export function setChildPage(ref: PageRef, index: number, page: number): void {
  writeU32(ref.bytes, payloadAt(ref, index), page)
}

/** hot path (bench/keyspace): a later seq takes the place of an earlier one. */
export function raiseChildSeq(ref: PageRef, index: number, seq: number): void {
  const at = payloadAt(ref, index) + POINTER_SEQ
  const { bytes } = ref
  const low = readU32(bytes, at)
  const high = readU32(bytes, at + 4)
  if (high * TWO_32 + low < seq) writeU64(bytes, at, seq)
}

export function setChildSeq(ref: PageRef, index: number, seq: number): void {
  writeU64(ref.bytes, payloadAt(ref, index) + POINTER_SEQ, seq)
}

export function setChildChecksum(ref: PageRef, index: number, checksum: Checksum): void {
  writeChecksum(ref.bytes, payloadAt(ref, index) + POINTER_CHECKSUM, checksum)
}

/** Returns false, with nothing changed, if there is no room. */
export function insertChild(
  ref: PageRef,
  index: number,
  key: Uint8Array,
  length: number,
  page: number,
  seq: number,
): boolean {
  const at = insertCell(ref, index, key, length, POINTER_BYTES)
  if (at < 0) return false
  writeU32(ref.bytes, at, page)
  writeU64(ref.bytes, at + POINTER_SEQ, seq)
  ref.bytes.fill(0, at + POINTER_CHECKSUM, at + POINTER_CHECKSUM + CHECKSUM_BYTES)
  return true
}
