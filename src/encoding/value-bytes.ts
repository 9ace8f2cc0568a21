import type { ByteReader, ByteWriter } from './bytes.ts'
import { MalformedBytes, readText, readU32, utf8Bytes, writeU32 } from './bytes.ts'
import type { Value } from './values.ts'

/**
 * A value that tells its own kind (docs/formats/values.md): literals, cells of rows on their way in, and results. What is decoded is what
 * was encoded, numbers and bigints apart.
 */
export const ValueTag = {
  null: 0,
  false: 1,
  true: 2,
  /** f64, finite, no safe integer. */
  float: 3,
  /** A number that is an integer: 32 bits, signed. */
  small: 4,
  /** A number that is a safe integer: 64 bits, two's complement. */
  safe: 5,
  /** Bigints of 64 and 256 bits, signed and unsigned; the first that holds it. */
  signed64: 6,
  unsigned64: 7,
  signed256: 8,
  unsigned256: 9,
  /** u8 length or u32 length, and UTF-8. */
  text8: 10,
  text32: 11,
  bytes8: 12,
  bytes32: 13,
} as const

const TWO_32 = 4294967296
const I64_MIN = -(1n << 63n)
const I64_END = 1n << 63n
const U64_END = 1n << 64n
const I256_MIN = -(1n << 255n)
const I256_END = 1n << 255n
const U256_END = 1n << 256n

/** RangeError for NaN, infinities and integers beyond 256 bits. hot path (bench/apply) */
export function writeValue(out: ByteWriter, value: Value): void {
  switch (typeof value) {
    case 'boolean':
      return out.u8(value ? ValueTag.true : ValueTag.false)
    case 'number':
      return writeNumber(out, value)
    case 'bigint':
      return writeBigint(out, value)
    case 'string':
      if (value.length > 0xff || !writeAscii(out, value)) writeRun(out, ValueTag.text8, utf8Bytes(value))
      return
    default:
      if (value === null) return out.u8(ValueTag.null)
      if (value instanceof Uint8Array) return writeRun(out, ValueTag.bytes8, value)
      throw new RangeError(`no value: ${typeof value}`)
  }
}

/** Writes a short text without a copy in between; false if it is not ASCII. */
function writeAscii(out: ByteWriter, text: string): boolean {
  const { length } = text
  const at = out.reserve(2 + length)
  const bytes = out.buffer
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0x7f) {
      out.truncate(at)
      return false
    }
    bytes[at + 2 + i] = unit
  }
  bytes[at] = ValueTag.text8
  bytes[at + 1] = length
  return true
}

/** Short or long; the tag of the long form is one higher. */
function writeRun(out: ByteWriter, tag: number, bytes: Uint8Array): void {
  if (bytes.length > 0xff) {
    out.u8(tag + 1)
    out.u32(bytes.length)
  } else {
    out.u8(tag)
    out.u8(bytes.length)
  }
  out.raw(bytes)
}

function writeNumber(out: ByteWriter, value: number): void {
  if ((value | 0) === value) {
    out.u8(ValueTag.small)
    return out.u32(value)
  }
  if (Number.isSafeInteger(value)) {
    out.u8(ValueTag.safe)
    const high = Math.floor(value / TWO_32)
    out.u32(value - high * TWO_32)
    return out.u32(high)
  }
  if (!Number.isFinite(value)) throw new RangeError(`${value} is no value`)
  out.u8(ValueTag.float)
  out.f64(value)
}

function writeBigint(out: ByteWriter, value: bigint): void {
  if (value >= I64_MIN && value < I64_END) out.u8(ValueTag.signed64)
  else if (value >= 0n && value < U64_END) out.u8(ValueTag.unsigned64)
  else if (value >= I256_MIN && value < I256_END) out.u8(ValueTag.signed256)
  else if (value >= 0n && value < U256_END) out.u8(ValueTag.unsigned256)
  else throw new RangeError('an integer has at most 256 bits')
  const words = value >= I64_MIN && value < U64_END ? 2 : 8
  const at = out.reserve(words * 4)
  let rest = value
  for (let i = 0; i < words; i++, rest >>= 32n) writeU32(out.buffer, at + 4 * i, Number(rest & 0xffffffffn))
}

/** Bytes are a copy. @throws MalformedBytes; hot path (bench/apply) */
export function readValue(reader: ByteReader): Value {
  const tag = reader.u8()
  return readTagged(reader, tag)
}

/** The value whose tag has been read. @throws MalformedBytes */
export function readTagged(reader: ByteReader, tag: number): Value {
  switch (tag) {
    case ValueTag.null:
      return null
    case ValueTag.false:
      return false
    case ValueTag.true:
      return true
    case ValueTag.small:
      return reader.u32() | 0
    case ValueTag.safe:
      return readSafe(reader)
    case ValueTag.float:
      return readFloat(reader)
    case ValueTag.signed64:
      return readBigint(reader, 2, true)
    case ValueTag.unsigned64:
      return readBigint(reader, 2, false)
    case ValueTag.signed256:
      return readBigint(reader, 8, true)
    case ValueTag.unsigned256:
      return readBigint(reader, 8, false)
    case ValueTag.text8:
    case ValueTag.text32: {
      const bytes = reader.raw(tag === ValueTag.text8 ? reader.u8() : reader.u32())
      return readText(bytes, 0, bytes.length)
    }
    case ValueTag.bytes8:
      return reader.raw(reader.u8()).slice()
    case ValueTag.bytes32:
      return reader.raw(reader.u32()).slice()
    default:
      throw new MalformedBytes(`value of kind ${tag}`)
  }
}

function readSafe(reader: ByteReader): number {
  const low = reader.u32()
  const value = (reader.u32() | 0) * TWO_32 + low
  if (!Number.isSafeInteger(value)) throw new MalformedBytes('a number beyond 2^53')
  return value
}

function readFloat(reader: ByteReader): number {
  const value = reader.f64()
  if (!Number.isFinite(value)) throw new MalformedBytes(`${value} is no value`)
  return value === 0 ? 0 : value
}

function readBigint(reader: ByteReader, words: number, isSigned: boolean): bigint {
  const bytes = reader.raw(words * 4)
  let value = BigInt(isSigned ? readU32(bytes, words * 4 - 4) | 0 : readU32(bytes, words * 4 - 4))
  for (let at = words * 4 - 8; at >= 0; at -= 4) value = (value << 32n) | BigInt(readU32(bytes, at))
  return value
}

/** Where the value at `at` ends, without reading it. @throws MalformedBytes past `end`; hot path (bench/apply) */
export function skipValue(bytes: Uint8Array, at: number, end: number): number {
  const next = at < end ? valueEnd(bytes, at, end) : end + 1
  if (next > end) throw new MalformedBytes('value cut')
  return next
}

function valueEnd(bytes: Uint8Array, at: number, end: number): number {
  switch (bytes[at]) {
    case ValueTag.null:
    case ValueTag.false:
    case ValueTag.true:
      return at + 1
    case ValueTag.small:
      return at + 5
    case ValueTag.safe:
    case ValueTag.float:
    case ValueTag.signed64:
    case ValueTag.unsigned64:
      return at + 9
    case ValueTag.signed256:
    case ValueTag.unsigned256:
      return at + 33
    case ValueTag.text8:
    case ValueTag.bytes8:
      return at + 2 <= end ? at + 2 + bytes[at + 1]! : end + 1
    case ValueTag.text32:
    case ValueTag.bytes32:
      return at + 5 <= end ? at + 5 + readU32(bytes, at + 1) : end + 1
    default:
      throw new MalformedBytes(`value of kind ${bytes[at]}`)
  }
}
