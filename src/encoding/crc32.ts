import { crc32 as zlibCrc32 } from 'node:zlib'

/** CRC-32 (IEEE 802.3, as in zlib) of `bytes`, continued from `seed` (0 to start). An unsigned 32-bit integer. */
export function crc32(bytes: Uint8Array, seed: number = 0): number {
  return zlibCrc32(bytes, seed)
}
