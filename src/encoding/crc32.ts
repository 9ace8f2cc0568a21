type Crc32 = (bytes: Uint8Array, seed: number) => number

/** Node's own is many times as fast; asked for at run time, so that a browser, where nothing is checked by CRC-32, loads this file too. */
const { process: host } = globalThis as {
  process?: { getBuiltinModule?: (name: string) => { crc32: Crc32 } | undefined }
}
const fast: Crc32 = host?.getBuiltinModule?.('node:zlib')?.crc32 ?? crc32ByTable

/** CRC-32 (IEEE 802.3, as in zlib) of `bytes`, continued from `seed` (0 to start). An unsigned 32-bit integer. */
export function crc32(bytes: Uint8Array, seed: number = 0): number {
  return fast(bytes, seed)
}

let table: Uint32Array | undefined

/** The same without Node. */
export function crc32ByTable(bytes: Uint8Array, seed: number = 0): number {
  table ??= Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte
    for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
    return value
  })
  let crc = ~seed
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ table[(crc ^ bytes[i]!) & 0xff]!
  return ~crc >>> 0
}
