import { bytesToHex, crc32, equalBytes, readU32, writeU32 } from '../../encoding/index.ts'
import type { Seal } from '../../sealing/index.ts'
import { CHECKSUM_BYTES } from './layout.ts'

/** What a pointer says of a page's bytes: CRC-32, or with an integrity key the first 16 bytes of SHA-256. */
export type Checksum = number | Uint8Array

/** Of `bytes` followed by `more`, as pages of a directory with this seal have it. */
export function checksumOf(seal: Seal | undefined, bytes: Uint8Array, more?: Uint8Array): Checksum {
  if (seal?.isSigning === true) return seal.sum(more === undefined ? [bytes] : [bytes, more])
  const first = crc32(bytes)
  return more === undefined ? first : crc32(more, first)
}

/** The 16 bytes at `at`. Of a CRC-32 all but four are zero, of a cryptographic one never. */
export function readChecksum(bytes: Uint8Array, at: number): Checksum {
  const isShort = readU32(bytes, at + 4) === 0 && readU32(bytes, at + 8) === 0 && readU32(bytes, at + 12) === 0
  return isShort ? readU32(bytes, at) : bytes.slice(at, at + CHECKSUM_BYTES)
}

/** hot path (bench/keyspace): once for each child of a branch that is written. */
export function writeChecksum(bytes: Uint8Array, at: number, checksum: Checksum): void {
  if (typeof checksum !== 'number') {
    bytes.set(checksum, at)
    return
  }
  writeU32(bytes, at, checksum)
  writeU32(bytes, at + 4, 0)
  writeU32(bytes, at + 8, 0)
  writeU32(bytes, at + 12, 0)
}

export function equalChecksums(a: Checksum, b: Checksum): boolean {
  if (typeof a === 'number' || typeof b === 'number') return a === b
  return equalBytes(a, b)
}

/** In hexadecimal, for people. */
export function checksumText(checksum: Checksum): string {
  return typeof checksum === 'number' ? checksum.toString(16).padStart(8, '0') : bytesToHex(checksum)
}
