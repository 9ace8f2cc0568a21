import { dataViewOf, MalformedBytes, readU32, readU64, writeU32, writeU64 } from './bytes.ts'
import { crc32, crc32OfView } from './crc32.ts'

/**
 * A log record as it stands in frames, in AppendEntries and in archives: the same bytes everywhere (docs/formats/entry.md).
 *
 *   0 u32 length (header included)   4 u8 format (1)   5 u8 kind   6 u16 flags (0)
 *   8 u64 seq   16 u64 term   24 u64 leader time in us   32 payload
 */
export const ENTRY_HEADER_BYTES = 32
export const ENTRY_FORMAT = 1

/** What an entry is. Values are on disk and on the wire: never reused. */
export const EntryKind = {
  /** A term's first entry; no payload. */
  noop: 1,
  /** A configuration of the group (encoding/configuration.ts). */
  configuration: 2,
  /** A client's transaction: request header + envelope. */
  transaction: 3,
  /** Opens a session; its seq becomes the session's id. */
  openSession: 4,
  /** Leader time passes: expires due keys, at most the number in the payload. */
  tick: 5,
} as const
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind]

export interface EntryHeader {
  /** Bytes of the whole entry. */
  length: number
  kind: EntryKind
  seq: number
  term: number
  leaderTimeMicros: number
}

/** Consecutive entries, encoded one after the other in one piece of memory. */
export interface EntryBatch {
  readonly firstSeq: number
  readonly lastSeq: number
  readonly bytes: Uint8Array
  /** The entry chain after the last entry, where it has been computed before. */
  readonly lastChain?: number | undefined
}

export function isEntryKind(kind: number): kind is EntryKind {
  return kind >= EntryKind.noop && kind <= EntryKind.tick
}

/** Writes the header of an entry of `length` bytes (header included) at `at`. */
export function writeEntryHeader(bytes: Uint8Array, at: number, header: EntryHeader): void {
  writeU32(bytes, at, header.length)
  bytes[at + 4] = ENTRY_FORMAT
  bytes[at + 5] = header.kind
  bytes[at + 6] = 0
  bytes[at + 7] = 0
  writeU64(bytes, at + 8, header.seq)
  writeU64(bytes, at + 16, header.term)
  writeU64(bytes, at + 24, header.leaderTimeMicros)
}

export function encodeEntry(header: Omit<EntryHeader, 'length'>, payload: Uint8Array): Uint8Array {
  const length = ENTRY_HEADER_BYTES + payload.length
  const bytes = new Uint8Array(length)
  writeEntryHeader(bytes, 0, { ...header, length })
  bytes.set(payload, ENTRY_HEADER_BYTES)
  return bytes
}

/**
 * Checks format and kind at `at`, and that the whole entry lies before `end`; its length. hot path (bench/apply): the other fields are read
 * where they stand, so that an entry costs no object.
 * An unknown format or kind is malformed here; whoever applies must stop on it, never skip (DESIGN 7).
 */
export function checkEntry(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < ENTRY_HEADER_BYTES) throw new MalformedBytes(`entry header cut at ${at}`)
  const length = readU32(bytes, at)
  if (length < ENTRY_HEADER_BYTES || length > end - at) throw new MalformedBytes(`entry length ${length} at ${at}`)
  if (bytes[at + 4] !== ENTRY_FORMAT) throw new MalformedBytes(`entry format ${bytes[at + 4]} at ${at}`)
  if (!isEntryKind(bytes[at + 5]!)) throw new MalformedBytes(`entry kind ${bytes[at + 5]} at ${at}`)
  return length
}

/** Of an entry that `checkEntry` has passed, as are the three below. */
export function entryKind(bytes: Uint8Array, at: number): EntryKind {
  return bytes[at + 5]! as EntryKind
}

export function entrySeq(bytes: Uint8Array, at: number): number {
  return readU64(bytes, at + 8)
}

export function entryTerm(bytes: Uint8Array, at: number): number {
  return readU64(bytes, at + 16)
}

export function entryTimeMicros(bytes: Uint8Array, at: number): number {
  return readU64(bytes, at + 24)
}

/** All fields of the entry at `at`, checked by `checkEntry`. */
export function readEntryHeader(bytes: Uint8Array, at: number, end: number): EntryHeader {
  return {
    length: checkEntry(bytes, at, end),
    kind: entryKind(bytes, at),
    seq: entrySeq(bytes, at),
    term: entryTerm(bytes, at),
    leaderTimeMicros: entryTimeMicros(bytes, at),
  }
}

/** Longest entry that `crc32OfView` is quicker for. */
const VIEWED_BYTES_MAX = 448

/** The next value of the entry chain: CRC-32 of the entry's bytes continued from the chain value of the entry before (0 at first). */
export function chainEntry(previous: number, bytes: Uint8Array, start: number, end: number): number {
  // hot path: bench/wire.
  if (start === 0 && end === bytes.length) return crc32(bytes, previous)
  if (end - start <= VIEWED_BYTES_MAX) return crc32OfView(dataViewOf(bytes), start, end, previous)
  // Cheaper than `subarray`, which looks for a species.
  return crc32(new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start), previous)
}
