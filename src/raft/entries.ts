import { chainEntry, ENTRY_HEADER_BYTES, readU32, readU64, writeEntryHeader } from '../encoding/index.ts'
import type { EntryBatch as EncodedBatch, EntryHeader, EntryKind } from '../encoding/index.ts'
import type { ConfigurationAt, EntryBatch, Slot } from './core/index.ts'

/** Where an entry's header has its seq and its leader time (docs/formats/entry.md). */
const SEQ_OFFSET = 8
const TIME_OFFSET = 24

/** What is to become an entry. */
export interface Draft {
  kind: EntryKind
  payload: Uint8Array
}

export function draftBytes(drafts: readonly Draft[]): number {
  let length = 0
  for (const { payload } of drafts) length += ENTRY_HEADER_BYTES + payload.length
  return length
}

/** Encodes drafts into the slot that the core gave, as one batch. hot path: bench/cluster. */
export function encodeDrafts(
  drafts: readonly Draft[],
  slot: Slot,
  leaderTimeMicros: number,
  configurations: readonly ConfigurationAt[] = [],
): EntryBatch {
  const bytes = new Uint8Array(draftBytes(drafts))
  const chains = new Uint32Array(drafts.length)
  const header: EntryHeader = { length: 0, kind: 1, seq: slot.firstSeq, term: slot.term, leaderTimeMicros }
  let at = 0
  let chain = slot.prevChain
  for (let i = 0; i < drafts.length; i++) {
    const { kind, payload } = drafts[i]!
    header.length = ENTRY_HEADER_BYTES + payload.length
    header.kind = kind
    writeEntryHeader(bytes, at, header)
    bytes.set(payload, at + ENTRY_HEADER_BYTES)
    chain = chainEntry(chain, bytes, at, at + header.length)
    chains[i] = chain
    at += header.length
    header.seq++
  }
  const lastSeq = slot.firstSeq + drafts.length - 1
  return {
    firstSeq: slot.firstSeq,
    lastSeq,
    byteLength: at,
    terms: [{ term: slot.term, lastSeq }],
    configurations,
    chains,
    ref: bytes,
  }
}

/**
 * Entries `firstSeq` to `lastSeq` out of encoded ones that begin at or below `firstSeq`, as a view. `isToEnd`: `lastSeq` is known to be the last
 * of them, so that all of them need not be walked over.
 */
export function sliceEntries(bytes: Uint8Array, firstSeq: number, lastSeq: number, isToEnd = false): EncodedBatch {
  let seq = readU64(bytes, SEQ_OFFSET)
  if (isToEnd && seq === firstSeq) return { firstSeq, lastSeq, bytes }
  let at = 0
  for (; seq < firstSeq; seq++) at += readU32(bytes, at)
  let end = at
  for (; seq <= lastSeq; seq++) end += readU32(bytes, end)
  return { firstSeq, lastSeq, bytes: at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end) }
}

/** The leader time of the last of some encoded entries. */
export function lastLeaderTime(bytes: Uint8Array): number {
  let last = 0
  for (let at = 0; at < bytes.length; at += readU32(bytes, at)) last = at
  return readU64(bytes, last + TIME_OFFSET)
}

/** Consecutive batches as one. */
export function joinEntries(batches: readonly EncodedBatch[]): EncodedBatch {
  if (batches.length === 1) return batches[0]!
  let length = 0
  for (const { bytes } of batches) length += bytes.length
  const bytes = new Uint8Array(length)
  let at = 0
  for (const batch of batches) {
    bytes.set(batch.bytes, at)
    at += batch.bytes.length
  }
  return { firstSeq: batches[0]!.firstSeq, lastSeq: batches.at(-1)!.lastSeq, bytes }
}
