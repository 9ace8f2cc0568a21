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

/** Bytes that the table takes at once. */
const WIDE_BYTES = 16
/** For each byte of so many its own 256 values, the last one's first: they do not wait for each other. */
const TABLE: Int32Array = table()

function table(): Int32Array {
  const values = new Int32Array(WIDE_BYTES * 256)
  for (let byte = 0; byte < 256; byte++) {
    let value = byte
    for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
    values[byte] = value
  }
  for (let i = 256; i < values.length; i++) {
    const before = values[i - 256]!
    values[i] = (before >>> 8) ^ values[before & 0xff]!
  }
  return values
}

/** The same without Node, of `bytes[start, end)`; quicker up to some 32 bytes, for which Node's own takes longer to be called. */
export function crc32ByTable(
  bytes: Uint8Array,
  seed: number = 0,
  start: number = 0,
  end: number = bytes.length,
): number {
  let crc = ~seed
  for (let i = start; i < end; i++) crc = (crc >>> 8) ^ TABLE[(crc ^ bytes[i]!) & 0xff]!
  return ~crc >>> 0
}

/**
 * hot path (bench/wire): the same of a part that there is a view of already; quicker up to some 400 bytes than Node's own, for which a view of
 * just the part has to be made.
 */
export function crc32OfView(view: DataView, start: number, end: number, seed: number = 0): number {
  let crc = ~seed
  let at = start
  for (; at + WIDE_BYTES <= end; at += WIDE_BYTES) {
    const a = crc ^ view.getInt32(at, true)
    const b = view.getInt32(at + 4, true)
    const c = view.getInt32(at + 8, true)
    const d = view.getInt32(at + 12, true)
    crc =
      TABLE[0xf00 | (a & 0xff)]! ^
      TABLE[0xe00 | ((a >>> 8) & 0xff)]! ^
      TABLE[0xd00 | ((a >>> 16) & 0xff)]! ^
      TABLE[0xc00 | (a >>> 24)]! ^
      TABLE[0xb00 | (b & 0xff)]! ^
      TABLE[0xa00 | ((b >>> 8) & 0xff)]! ^
      TABLE[0x900 | ((b >>> 16) & 0xff)]! ^
      TABLE[0x800 | (b >>> 24)]! ^
      TABLE[0x700 | (c & 0xff)]! ^
      TABLE[0x600 | ((c >>> 8) & 0xff)]! ^
      TABLE[0x500 | ((c >>> 16) & 0xff)]! ^
      TABLE[0x400 | (c >>> 24)]! ^
      TABLE[0x300 | (d & 0xff)]! ^
      TABLE[0x200 | ((d >>> 8) & 0xff)]! ^
      TABLE[0x100 | ((d >>> 16) & 0xff)]! ^
      TABLE[d >>> 24]!
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ TABLE[(crc ^ view.getUint8(at)) & 0xff]!
  return ~crc >>> 0
}

/** x^(2^n) modulo the polynomial, bits reversed, for each n. */
let powers: Int32Array | undefined
/** By the last bits of a length: that length, and what `crc32From` multiplies by for it. */
const SHIFTS = 256
const shiftLengths = new Int32Array(SHIFTS).fill(-1)
const shifts = new Int32Array(SHIFTS)

/**
 * `crc32(bytes, to)`, out of `crc` = `crc32(bytes, from)` and how many bytes there are, without the bytes. (CRC-32 is linear: what two
 * seeds make of the same bytes differs by the seeds' difference times x^(8 length); the method is that of zlib's crc32_combine.) hot path
 * (bench/apply, bench/embedded)
 */
export function crc32From(crc: number, from: number, to: number, length: number): number {
  const at = length & (SHIFTS - 1)
  if (shiftLengths[at] !== length) {
    shifts[at] = shiftOf(length)
    shiftLengths[at] = length
  }
  return (crc ^ multiply(shifts[at]!, from ^ to)) >>> 0
}

/** x^(8 length). */
function shiftOf(length: number): number {
  if (powers === undefined) {
    powers = new Int32Array(32)
    let power = 1 << 30
    for (let n = 0; n < 32; n++) {
      powers[n] = power
      power = multiply(power, power)
    }
  }
  let shift = 1 << 31
  for (let n = 3, rest = length; rest > 0; n++, rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) shift = multiply(powers[n & 31]!, shift)
  }
  return shift
}

/** The product modulo the polynomial, bits reversed. Without branches, which would be taken at random. */
function multiply(a: number, b: number): number {
  let product = 0
  for (let bit = 31; bit >= 0; bit--) {
    product ^= b & -((a >>> bit) & 1)
    b = (b >>> 1) ^ (0xedb88320 & -(b & 1))
  }
  return product
}
