import {
  crc32,
  crc32ByTable,
  crc32From,
  readU16,
  readU32,
  readU64,
  RecentView,
  writeU16,
  writeU32,
  writeU64,
} from '../encoding/index.ts'
import { assertLog } from './errors.ts'
import { layBytes } from './lay-bytes.ts'
import type { LogSeal } from './log-seal.ts'

/**
 * A frame is one atomic batch of the log (docs/formats/log.md): header, encoded entries, padding to 8, the list of its
 * legitimately all-zero sectors, and an end mark. It starts at a multiple of 8 and is as long as one.
 *
 * Everything that is not an entry byte is laid so that a sector of a frame holds only zeros of the entries or none at all:
 * the header's first and last 8 bytes, each list element and the end mark are never zero and never straddle a sector.
 */
export const FRAME_MAGIC = 0x4d524651 // "QFRM"
export const FRAME_END_MAGIC = 0x444e4551 // "QEND"
export const FRAME_VERSION = 1
export const FRAME_HEADER_BYTES = 176
export const FRAME_END_BYTES = 8
export const SECTOR_BYTES = 512
const HEADER_END_MAGIC = 0x444f4851 // "QHOD"

/** 16 and 32: encrypted, signed (log-seal.ts). */
export const FrameFlag = { hardState: 1, truncate: 2, entries: 4, mark: 8 } as const
const SEALED_FLAGS = 48

const AT = {
  version: 4,
  flags: 6,
  length: 8,
  headerCrc: 12,
  bodyCrc: 16,
  listCrc: 20,
  groupId: 24,
  previousFrame: 32,
  syncedSegment: 36,
  syncedOffset: 40,
  zeroSectors: 44,
  term: 48,
  votedFor: 56,
  commitSeq: 64,
  truncateFrom: 72,
  firstSeq: 80,
  lastSeq: 88,
  lastTerm: 96,
  lastChain: 104,
  entriesBytes: 108,
  // 112 nonce (24), 136 tag (16), 152 HMAC (16): log-seal.ts
  headerEnd: 168,
  superblock: 172,
} as const

/** The fields of a frame's header. Mutable: the log fills one object again and again. */
export interface FrameHeader {
  flags: number
  /** As it was read: encrypted or signed. */
  isSealed: boolean
  /** Bytes of the whole frame. */
  length: number
  /** The header's checksum; also the frame's value in the chain of frames. */
  headerCrc: number
  groupId: number
  /** `headerCrc` of the frame before (of the segment's header for its first frame). */
  previousFrame: number
  /** Everything before this place was synced when the frame was made (`prevSyncedOffset`, rule W2). */
  syncedSegment: number
  syncedOffset: number
  zeroSectors: number
  term: number
  votedFor: number
  commitSeq: number
  truncateFrom: number
  firstSeq: number
  lastSeq: number
  lastTerm: number
  lastChain: number
  entriesBytes: number
  /** What is known of the superblocks, encoded (superblock-proof.ts). */
  superblock: number
}

export function emptyFrameHeader(groupId: number): FrameHeader {
  return {
    flags: 0,
    isSealed: false,
    length: 0,
    headerCrc: 0,
    groupId,
    previousFrame: 0,
    syncedSegment: 0,
    syncedOffset: 0,
    zeroSectors: 0,
    term: 0,
    votedFor: 0,
    commitSeq: 0,
    truncateFrom: 0,
    firstSeq: 0,
    lastSeq: 0,
    lastTerm: 0,
    lastChain: 0,
    entriesBytes: 0,
    superblock: 0,
  }
}

export function align8(length: number): number {
  return (length + 7) & ~7
}

/** No frame around `entriesBytes` bytes of entries is longer than this. */
export function maxFrameBytes(entriesBytes: number): number {
  const content = FRAME_HEADER_BYTES + align8(entriesBytes)
  return content + align8(4 * Math.ceil(content / SECTOR_BYTES)) + FRAME_END_BYTES
}

/**
 * Lays a frame into `target` from `at`: fields from `header` (length, checksums and zero sectors are set here), `entries`
 * copied once. `offset` is the frame's place in its file, `seed` that place's checksum seed. Returns the frame's length.
 * `target` needs `maxFrameBytes` of room. `seal`, in segment `segment`, encrypts and signs it. `chainBefore`: the entry chain before
 * `entries`, of which `header.lastChain` is what comes after, so that they need not be gone through again. hot path: bench/log.
 */
export function writeFrame(
  target: Uint8Array,
  at: number,
  header: FrameHeader,
  entries: Uint8Array | undefined,
  offset: number,
  seed: number,
  seal?: LogSeal,
  segment: number = 0,
  chainBefore?: number,
): number {
  let end = at + FRAME_HEADER_BYTES
  header.entriesBytes = 0
  if (entries !== undefined) {
    layBytes(target, end, entries)
    header.entriesBytes = entries.length
    end += entries.length
  }
  if (seal !== undefined) {
    writeHeader(target, at, header, 0)
    seal.encryptFrame(target, at, target.subarray(at + FRAME_HEADER_BYTES, end), segment, offset)
  }
  const aligned = at + align8(end - at)
  target.fill(0, end, aligned)
  end = writeZeroSectors(target, at, aligned, header, offset)
  writeU32(target, end, FRAME_END_MAGIC)
  header.length = end + FRAME_END_BYTES - at
  writeU32(target, end + 4, header.length)
  const bodyAt = at + FRAME_HEADER_BYTES
  if (seal === undefined) {
    const isKnown = entries !== undefined && chainBefore !== undefined
    const known = isKnown ? crc32From(header.lastChain, chainBefore, seed, entries.length) : seed
    const rest = isKnown ? bodyAt + entries.length : bodyAt
    writeHeader(target, at, header, crc32Of(target, rest, at + header.length, known))
  } else {
    const bodyCrc = crc32(target.subarray(bodyAt, at + header.length), seed)
    writeDerived(target, at, header, bodyCrc)
    seal.signFrame(target, at, at + header.length, segment, offset)
  }
  // The field itself is still zero here, so one pass gives what `frameHeaderCrc` gives.
  header.headerCrc = crc32(headerView.of(target, at, at + FRAME_HEADER_BYTES), seed)
  writeU32(target, at + AT.headerCrc, header.headerCrc)
  return header.length
}

const headerView = new RecentView()
/** What stands behind the entries of a frame is mostly shorter. */
const TABLE_BYTES_MAX = 32

function crc32Of(bytes: Uint8Array, start: number, end: number, seed: number): number {
  return end - start > TABLE_BYTES_MAX ? crc32(bytes.subarray(start, end), seed) : crc32ByTable(bytes, seed, start, end)
}

/** Lists the whole sectors of [at, end) that are zero; returns where the list, padded to 8, ends. */
function writeZeroSectors(target: Uint8Array, at: number, end: number, header: FrameHeader, offset: number): number {
  let listEnd = end
  let sector = 1
  let start = at + SECTOR_BYTES - (offset % SECTOR_BYTES)
  for (; start + SECTOR_BYTES <= end; start += SECTOR_BYTES, sector++) {
    if (target[start] !== 0 || !isZero(target, start, start + SECTOR_BYTES)) continue
    writeU32(target, listEnd, sector)
    listEnd += 4
  }
  header.zeroSectors = (listEnd - end) >>> 2
  writeU32(target, at + AT.listCrc, header.zeroSectors === 0 ? 0 : crc32(target.subarray(end, listEnd)))
  if ((header.zeroSectors & 1) === 1) {
    writeU32(target, listEnd, 0)
    listEnd += 4
  }
  return listEnd
}

/** What is known of a frame once its entries are encrypted; the list's checksum is there already. */
function writeDerived(target: Uint8Array, at: number, header: FrameHeader, bodyCrc: number): void {
  writeU32(target, at + AT.length, header.length)
  writeU32(target, at + AT.bodyCrc, bodyCrc)
  writeU32(target, at + AT.zeroSectors, header.zeroSectors)
}

function writeHeader(target: Uint8Array, at: number, header: FrameHeader, bodyCrc: number): void {
  writeU32(target, at, FRAME_MAGIC)
  writeU16(target, at + AT.version, FRAME_VERSION)
  writeU16(target, at + AT.flags, header.flags)
  writeU32(target, at + AT.length, header.length)
  writeU32(target, at + AT.headerCrc, 0)
  writeU32(target, at + AT.bodyCrc, bodyCrc)
  writeU64(target, at + AT.groupId, header.groupId)
  writeU32(target, at + AT.previousFrame, header.previousFrame)
  writeU32(target, at + AT.syncedSegment, header.syncedSegment)
  writeU32(target, at + AT.syncedOffset, header.syncedOffset)
  writeU32(target, at + AT.zeroSectors, header.zeroSectors)
  writeU64(target, at + AT.term, header.term)
  writeU64(target, at + AT.votedFor, header.votedFor)
  writeU64(target, at + AT.commitSeq, header.commitSeq)
  writeU64(target, at + AT.truncateFrom, header.truncateFrom)
  writeU64(target, at + AT.firstSeq, header.firstSeq)
  writeU64(target, at + AT.lastSeq, header.lastSeq)
  writeU64(target, at + AT.lastTerm, header.lastTerm)
  writeU32(target, at + AT.lastChain, header.lastChain)
  writeU32(target, at + AT.entriesBytes, header.entriesBytes)
  target.fill(0, at + AT.entriesBytes + 4, at + AT.headerEnd)
  writeU32(target, at + AT.headerEnd, HEADER_END_MAGIC)
  writeU32(target, at + AT.superblock, header.superblock)
}

const ZERO_FIELD = new Uint8Array(4)

/** CRC-32 of a frame's header with its own field taken as zero. */
function frameHeaderCrc(bytes: Uint8Array, at: number, seed: number): number {
  const before = crc32(bytes.subarray(at, at + AT.headerCrc), seed)
  const field = crc32(ZERO_FIELD, before)
  return crc32(bytes.subarray(at + AT.headerCrc + 4, at + FRAME_HEADER_BYTES), field)
}

export function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] !== 0) return false
  return true
}

/** What stands at a place where a frame could begin. */
export type FrameCheck =
  | { readonly state: 'valid'; readonly header: FrameHeader }
  /** The header passes its checksum, the rest does not; `header` can be trusted. */
  | { readonly state: 'bad_body'; readonly header: FrameHeader }
  /** Some bytes, but no header that passes. */
  | { readonly state: 'bad_header' }
  /** A frame of a version that this program does not know. */
  | { readonly state: 'unknown_version'; readonly version: number }

/** Checks the frame at `offset` of a segment whose whole content is `bytes`. */
export function checkFrame(bytes: Uint8Array, offset: number, seed: number): FrameCheck {
  if (bytes.length - offset < FRAME_HEADER_BYTES || readU32(bytes, offset) !== FRAME_MAGIC)
    return { state: 'bad_header' }
  if (frameHeaderCrc(bytes, offset, seed) !== readU32(bytes, offset + AT.headerCrc)) return { state: 'bad_header' }
  const version = readU16(bytes, offset + AT.version)
  if (version !== FRAME_VERSION) return { state: 'unknown_version', version }
  const header = readFrameHeader(bytes, offset)
  const end = offset + header.length
  if (end > bytes.length) return { state: 'bad_body', header }
  const bodyCrc = crc32(bytes.subarray(offset + FRAME_HEADER_BYTES, end), seed)
  if (bodyCrc !== readU32(bytes, offset + AT.bodyCrc)) return { state: 'bad_body', header }
  assertLog(
    readU32(bytes, end - FRAME_END_BYTES) === FRAME_END_MAGIC,
    'a frame that passes its checksum has an end mark',
  )
  return { state: 'valid', header }
}

export function readFrameHeader(bytes: Uint8Array, at: number): FrameHeader {
  return {
    flags: readU16(bytes, at + AT.flags) & ~SEALED_FLAGS,
    isSealed: (readU16(bytes, at + AT.flags) & SEALED_FLAGS) !== 0,
    length: readU32(bytes, at + AT.length),
    headerCrc: readU32(bytes, at + AT.headerCrc),
    groupId: readU64(bytes, at + AT.groupId),
    previousFrame: readU32(bytes, at + AT.previousFrame),
    syncedSegment: readU32(bytes, at + AT.syncedSegment),
    syncedOffset: readU32(bytes, at + AT.syncedOffset),
    zeroSectors: readU32(bytes, at + AT.zeroSectors),
    term: readU64(bytes, at + AT.term),
    votedFor: readU64(bytes, at + AT.votedFor),
    commitSeq: readU64(bytes, at + AT.commitSeq),
    truncateFrom: readU64(bytes, at + AT.truncateFrom),
    firstSeq: readU64(bytes, at + AT.firstSeq),
    lastSeq: readU64(bytes, at + AT.lastSeq),
    lastTerm: readU64(bytes, at + AT.lastTerm),
    lastChain: readU32(bytes, at + AT.lastChain),
    entriesBytes: readU32(bytes, at + AT.entriesBytes),
    superblock: readU32(bytes, at + AT.superblock),
  }
}

/** True if only the header at `at`, read apart from its body, passes its checksum. */
export function isFrameHeaderIntact(bytes: Uint8Array, at: number, seed: number): boolean {
  return readU32(bytes, at) === FRAME_MAGIC && frameHeaderCrc(bytes, at, seed) === readU32(bytes, at + AT.headerCrc)
}

/**
 * True if a sector of the bad frame at `offset` was never written (rule W1): it is all zero, counting only the frame's own
 * bytes, and the frame does not list it. Sectors with bytes of the header, of the list or of the end are never legitimately
 * zero. A header that does not pass tells neither length nor list: then only its own sectors are looked at. Bytes beyond the
 * end of the file count as zero.
 */
export function hasUnwrittenSector(bytes: Uint8Array, offset: number, check: FrameCheck): boolean {
  if (check.state === 'valid' || check.state === 'unknown_version') return false
  const headerEnd = offset + FRAME_HEADER_BYTES
  const isTrusted = check.state === 'bad_body'
  const end = isTrusted ? offset + check.header.length : headerEnd
  const contentEnd = isTrusted ? headerEnd + align8(check.header.entriesBytes) : headerEnd
  const listed = isTrusted ? readZeroSectors(bytes, offset, check.header) : undefined
  let start = offset
  for (let sector = 0; start < end; sector++) {
    const sectorEnd = Math.min(end, start - (start % SECTOR_BYTES) + SECTOR_BYTES)
    const isNeverZero = start < headerEnd || sectorEnd > contentEnd
    const isUnlisted = listed !== undefined && !listed.has(sector)
    if ((isNeverZero || isUnlisted) && isZero(bytes, start, Math.min(sectorEnd, bytes.length))) return true
    start = sectorEnd
  }
  return false
}

/** The listed sectors of a frame whose header is trusted; undefined if the list does not pass its checksum. */
function readZeroSectors(bytes: Uint8Array, offset: number, header: FrameHeader): Set<number> | undefined {
  const listed = new Set<number>()
  if (header.zeroSectors === 0) return listed
  const start = offset + FRAME_HEADER_BYTES + align8(header.entriesBytes)
  const end = start + 4 * header.zeroSectors
  if (end > bytes.length || crc32(bytes.subarray(start, end)) !== readU32(bytes, offset + AT.listCrc)) return undefined
  for (let at = start; at < end; at += 4) listed.add(readU32(bytes, at))
  return listed
}
