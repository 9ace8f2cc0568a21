import { cellBytes, cellCount, keyLength, payloadAt, payloadLength, prefixLength, usedBytes } from './page.ts'
import type { PageRef } from './page.ts'
import { createdSeqAt } from './record.ts'

/** A shorter series is none. */
const RUN_MIN = 8

/** How many cells stay on the left when a page is halved by bytes, the new cell counted in; both halves get at least one. */
export function splitPoint(ref: PageRef, index: number, newBytes: number): number {
  const count = cellCount(ref)
  const prefix = prefixLength(ref)
  const half = (usedBytes(ref) + newBytes) / 2
  let bytes = 0
  for (let i = 0; i < count; i++) {
    if (i === index) bytes += newBytes
    bytes += cellBytes(keyLength(ref, i), prefix, payloadLength(ref, i))
    if (bytes >= half) return Math.min(Math.max(i, 1), count - 1)
  }
  return count - 1
}

/**
 * Whether a leaf grows in front of its cell `index`: one of several ascending series ends there, as the rows of one customer or the index
 * entries of one value do. The records say so themselves: those before `index` were created one after the other, and the last of them
 * after the one that it stands in front of. Halved, such pages would stay half empty, for nothing is ever put into their left halves.
 */
export function isEndOfRun(ref: PageRef, index: number): boolean {
  if (index < RUN_MIN || index === cellCount(ref)) return false
  let after = createdAt(ref, index - 1)
  if (after <= createdAt(ref, index)) return false
  for (let i = index - 2; i >= index - RUN_MIN; i--) {
    const created = createdAt(ref, i)
    if (created > after) return false
    after = created
  }
  return true
}

function createdAt(ref: PageRef, index: number): number {
  return createdSeqAt(ref.bytes, payloadAt(ref, index))
}
