/** Integers as big-endian bytes: how numbers are stored under keys, so that their bytes compare as they do. */

const I64_MIN = -(1n << 63n)
const I64_END = 1n << 63n

/** An unsigned integer as 8 or 32 bytes. RangeError beyond. */
export function bigintToBigEndian(value: bigint, width: 64 | 256): Uint8Array {
  if (value < 0n || value >= 1n << BigInt(width))
    throw new RangeError(`${value} is not an unsigned ${width}-bit integer`)
  const bytes = new Uint8Array(width / 8)
  for (let i = bytes.length - 1, rest = value; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn)
  return bytes
}

/** Reads an unsigned integer of any width. */
export function bigEndianToBigint(bytes: Uint8Array): bigint {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return value
}

/** A signed integer as 8 bytes, two's complement. RangeError beyond. */
export function signedToBigEndian(value: bigint): Uint8Array {
  if (value < I64_MIN || value >= I64_END) throw new RangeError(`${value} is not a signed 64-bit integer`)
  return bigintToBigEndian(BigInt.asUintN(64, value), 64)
}

/** Reads the 8 bytes that `signedToBigEndian` wrote. */
export function bigEndianToSigned(bytes: Uint8Array): bigint {
  return BigInt.asIntN(64, bigEndianToBigint(bytes))
}
