import { readU32, writeU32 } from '../../encoding/index.ts'
import type { PageRef } from './page.ts'
import { payloadAt, payloadLength } from './page.ts'

/**
 * The payload of a leaf cell: flags u8, version seq u56, [created seq u56 unless it equals the version], [expiry u64],
 * then the value or, if it is large, an extent pointer.
 */
export const HAS_EXPIRY = 1
export const IS_LARGE = 2
export const IS_CHANGED = 4

const SEQ_BYTES = 7
const NO_BYTES = new Uint8Array(0)
const TWO_32 = 4294967296

/** A record as a reader is given it; the value is a copy. */
export interface RecordView {
  value: Uint8Array
  versionSeq: number
  createdSeq: number
  /** 0 = never. */
  expiresAtMicros: number
}

/** All of a record but the value's bytes. */
export interface RecordMetadata {
  versionSeq: number
  createdSeq: number
  expiresAtMicros: number
  valueBytes: number
}

export function readSeq(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at) + (bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16)) * TWO_32
}

function writeSeq(bytes: Uint8Array, at: number, seq: number): void {
  writeU32(bytes, at, seq)
  const high = Math.floor(seq / TWO_32)
  bytes[at + 4] = high
  bytes[at + 5] = high >>> 8
  bytes[at + 6] = high >>> 16
}

/** Bytes of a payload in front of its value. */
export function recordHeaderBytes(versionSeq: number, createdSeq: number, expiresAtMicros: number): number {
  return 1 + SEQ_BYTES + (createdSeq === versionSeq ? 0 : SEQ_BYTES) + (expiresAtMicros === 0 ? 0 : 8)
}

/** The same from the flags of a payload. */
export function recordHeaderBytesOf(flags: number): number {
  return 1 + SEQ_BYTES + ((flags & IS_CHANGED) === 0 ? 0 : SEQ_BYTES) + ((flags & HAS_EXPIRY) === 0 ? 0 : 8)
}

/** The created seq of the payload at `at`. */
export function createdSeqAt(bytes: Uint8Array, at: number): number {
  return readSeq(bytes, (bytes[at]! & IS_CHANGED) === 0 ? at + 1 : at + 1 + SEQ_BYTES)
}

/** Writes what stands in front of the value and returns the offset behind it. */
export function writeRecordHeader(
  bytes: Uint8Array,
  at: number,
  versionSeq: number,
  createdSeq: number,
  expiresAtMicros: number,
  isLarge: boolean,
): number {
  bytes[at] =
    (expiresAtMicros === 0 ? 0 : HAS_EXPIRY) | (isLarge ? IS_LARGE : 0) | (createdSeq === versionSeq ? 0 : IS_CHANGED)
  writeSeq(bytes, at + 1, versionSeq)
  let next = at + 1 + SEQ_BYTES
  if (createdSeq !== versionSeq) {
    writeSeq(bytes, next, createdSeq)
    next += SEQ_BYTES
  }
  if (expiresAtMicros !== 0) {
    writeU32(bytes, next, expiresAtMicros)
    writeU32(bytes, next + 4, Math.floor(expiresAtMicros / TWO_32))
    next += 8
  }
  return next
}

/** A leaf cell taken apart; reused by its owner. */
export class RecordRef {
  bytes: Uint8Array = NO_BYTES
  versionSeq = 0
  createdSeq = 0
  expiresAtMicros = 0
  isLarge = false
  /** Where the value or the extent pointer stands in `bytes`. */
  valueAt = 0
  /** Bytes of the value or of the extent pointer. */
  valueBytes = 0

  /** hot path (bench/keyspace) */
  read(page: PageRef, index: number): void {
    const bytes = page.bytes
    const at = payloadAt(page, index)
    const flags = bytes[at]!
    this.bytes = bytes
    this.versionSeq = readSeq(bytes, at + 1)
    let next = at + 1 + SEQ_BYTES
    if ((flags & IS_CHANGED) === 0) this.createdSeq = this.versionSeq
    else {
      this.createdSeq = readSeq(bytes, next)
      next += SEQ_BYTES
    }
    if ((flags & HAS_EXPIRY) === 0) this.expiresAtMicros = 0
    else {
      this.expiresAtMicros = readU32(bytes, next) + readU32(bytes, next + 4) * TWO_32
      next += 8
    }
    this.isLarge = (flags & IS_LARGE) !== 0
    this.valueAt = next
    this.valueBytes = at + payloadLength(page, index) - next
  }
}

/** Copies `length` bytes. Of all ways to do it, slice takes the least: half of a new array that a loop fills. */
export function copyBytes(bytes: Uint8Array, start: number, length: number): Uint8Array {
  return bytes.slice(start, start + length)
}
