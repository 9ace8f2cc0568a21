import { crc32, equalBytes, readU16, readU32, readU64, writeU16, writeU32, writeU64 } from '../encoding/index.ts'
import type { ChecksumSeeds } from './checksum-seed.ts'
import { isZero } from './frame.ts'
import type { ChainPoint, HardState, LogIdentity } from './positions.ts'

/** The first 512 bytes of a segment (docs/formats/log.md); frames begin right behind. */
export const SEGMENT_HEADER_BYTES = 512
export const SEGMENT_MAGIC = 0x47455351 // "QSEG"
export const SEGMENT_VERSION = 1
const FLAG_ANEW = 1
/** 2 encrypted, 4 signed (log-seal.ts). */
const SEALED_FLAGS = 6

export interface SegmentHeader {
  readonly segment: number
  /** True if the log begins anew here: entries of earlier segments are void (DESIGN 5, install). */
  readonly isAnew: boolean
  /** The last entry before this segment. */
  readonly base: ChainPoint
  readonly hardState: HardState
  /** Where the frames of the segment before end; 0 if there is none or `isAnew`. */
  readonly previousEnd: number
  /** The chain value of the frame before; 0 if there is none or `isAnew`. */
  readonly previousFrame: number
  /** What is known of the superblocks, encoded (superblock-proof.ts). */
  readonly superblock: number
}

export function encodeSegmentHeader(identity: LogIdentity, seeds: ChecksumSeeds, header: SegmentHeader): Uint8Array {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES)
  writeU32(bytes, 0, SEGMENT_MAGIC)
  writeU16(bytes, 4, SEGMENT_VERSION)
  writeU16(bytes, 6, header.isAnew ? FLAG_ANEW : 0)
  writeU32(bytes, 12, header.segment)
  bytes.set(identity.directoryId, 16)
  writeU64(bytes, 32, identity.groupId)
  writeU64(bytes, 40, header.base.seq)
  writeU64(bytes, 48, header.base.term)
  writeU32(bytes, 56, header.base.chain)
  writeU32(bytes, 60, header.previousFrame)
  writeU64(bytes, 64, header.hardState.term)
  writeU64(bytes, 72, header.hardState.votedFor)
  writeU64(bytes, 80, header.hardState.commitSeq)
  writeU32(bytes, 88, header.previousEnd)
  writeU32(bytes, 92, header.superblock)
  // 96..455 zero; 456 nonce (24), 480 tag (16), 496 HMAC (16): log-seal.ts
  identity.seal?.sealSegment(bytes, header.segment)
  writeU32(bytes, 8, crc32(bytes, seeds.at(header.segment, 0)))
  return bytes
}

export type SegmentHeaderCheck =
  | { readonly state: 'valid'; readonly header: SegmentHeader; readonly crc: number }
  /** Nothing was written here yet. */
  | { readonly state: 'empty' }
  | { readonly state: 'bad' }
  /** Passes its checksum; `unsealed`: not sealed with this directory's keys. `sealed`: with keys that nobody has given. */
  | { readonly state: 'unsealed' | 'sealed' }
  | { readonly state: 'foreign' }
  | { readonly state: 'unknown_version'; readonly version: number }

/** Checks the header of what lies under segment number `segment`. */
export function checkSegmentHeader(
  bytes: Uint8Array,
  identity: LogIdentity,
  seeds: ChecksumSeeds,
  segment: number,
): SegmentHeaderCheck {
  const header = new Uint8Array(SEGMENT_HEADER_BYTES)
  header.set(bytes.subarray(0, SEGMENT_HEADER_BYTES))
  if (isZero(header, 0, SEGMENT_HEADER_BYTES)) return { state: 'empty' }
  const crc = readU32(header, 8)
  writeU32(header, 8, 0)
  if (readU32(header, 0) !== SEGMENT_MAGIC) return { state: 'bad' }
  if (crc !== crc32(header, seeds.at(segment, 0))) {
    const isForeign = !equalBytes(header.subarray(16, 32), identity.directoryId)
    return { state: isForeign ? 'foreign' : 'bad' }
  }
  const version = readU16(header, 4)
  if (version !== SEGMENT_VERSION) return { state: 'unknown_version', version }
  if (readU64(header, 32) !== identity.groupId) return { state: 'foreign' }
  const fields = readFields(header)
  if (identity.seal === undefined) {
    return (readU16(header, 6) & SEALED_FLAGS) === 0 ? { state: 'valid', crc, header: fields } : { state: 'sealed' }
  }
  const chain = identity.seal.openSegment(header, segment)
  if (chain === undefined) return { state: 'unsealed' }
  return { state: 'valid', crc, header: { ...fields, base: { ...fields.base, chain } } }
}

function readFields(bytes: Uint8Array): SegmentHeader {
  return {
    segment: readU32(bytes, 12),
    isAnew: (readU16(bytes, 6) & FLAG_ANEW) !== 0,
    base: { seq: readU64(bytes, 40), term: readU64(bytes, 48), chain: readU32(bytes, 56) },
    previousFrame: readU32(bytes, 60),
    hardState: { term: readU64(bytes, 64), votedFor: readU64(bytes, 72), commitSeq: readU64(bytes, 80) },
    previousEnd: readU32(bytes, 88),
    superblock: readU32(bytes, 92),
  }
}
