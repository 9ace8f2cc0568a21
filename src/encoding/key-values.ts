import type { ByteWriter } from './bytes.ts'
import { MalformedBytes, utf8Bytes, utf8Text } from './bytes.ts'
import { KeyTag } from './ordered-keys.ts'
import type { ColumnType, Value } from './values.ts'
import { narrow } from './values.ts'

/**
 * Cells as parts of ordered keys (docs/formats/ordered-keys.md), straight between values and bytes: what the keys of rows and index entries
 * are made of. The bytes are those of `encodeOrderedKey`.
 */

const TWO_32 = 4294967296
const ESCAPED_NUL = 0xff
const floatBytes = new Uint8Array(8)
const floatView = new DataView(floatBytes.buffer)

/** Appends `value`, which must have the form of its type (`toColumnValue`). hot path (bench/apply) */
export function writeKeyValue(writer: ByteWriter, type: ColumnType, value: Value): void {
  if (value === null) return writer.u8(KeyTag.null)
  writer.u8(KeyTag[type])
  switch (type) {
    case 'u8':
      return writer.u8(value as number)
    case 'boolean':
      return writer.u8(value === true ? 1 : 0)
    case 'float':
      return writeFloat(writer, value as number)
    case 'text':
    case 'json':
      return writeText(writer, value as string)
    case 'blob':
      writeU32BE(writer, (value as Uint8Array).length)
      return writer.raw(value as Uint8Array)
    case 'u64':
      return writeInteger64(writer, value as number | bigint, false)
    case 'integer':
    case 'timestamp':
      return writeInteger64(writer, value as number | bigint, true)
    case 'u256':
      return writeInteger256(writer, value as bigint)
    case 'i256':
      return writeInteger256(writer, (value as bigint) + (1n << 255n))
    default:
      throw new RangeError(`column type ${String(type satisfies never)}`)
  }
}

function writeU32BE(writer: ByteWriter, value: number): void {
  writer.u8(value >>> 24)
  writer.u8((value >>> 16) & 0xff)
  writer.u8((value >>> 8) & 0xff)
  writer.u8(value & 0xff)
}

function writeInteger64(writer: ByteWriter, value: number | bigint, isSigned: boolean): void {
  let high: number
  let low: number
  if (typeof value === 'number') {
    high = Math.floor(value / TWO_32)
    low = value - high * TWO_32
  } else {
    high = Number(value >> 32n)
    low = Number(value & 0xffffffffn)
  }
  writeU32BE(writer, isSigned ? high ^ 0x80000000 : high)
  writeU32BE(writer, low)
}

function writeInteger256(writer: ByteWriter, value: bigint): void {
  for (let shift = 224n; shift >= 0n; shift -= 32n) writeU32BE(writer, Number((value >> shift) & 0xffffffffn))
}

/** A NUL is 00 FF, the end 00. */
function writeText(writer: ByteWriter, text: string): void {
  const bytes = utf8Bytes(text)
  if (!text.includes('\0')) writer.raw(bytes)
  else {
    for (const byte of bytes) {
      writer.u8(byte)
      if (byte === 0) writer.u8(ESCAPED_NUL)
    }
  }
  writer.u8(0)
}

function writeFloat(writer: ByteWriter, value: number): void {
  floatView.setFloat64(0, value === 0 ? 0 : value)
  if (value < 0) for (let i = 0; i < 8; i++) floatBytes[i] = ~floatBytes[i]!
  else floatBytes[0] = floatBytes[0]! | 0x80
  writer.raw(floatBytes)
}

function readU32BE(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

/** Where the part after the one at `at` begins. */
export function skipKeyValue(bytes: Uint8Array, at: number): number {
  switch (bytes[at]) {
    case KeyTag.null:
      return at + 1
    case KeyTag.u8:
    case KeyTag.boolean:
      return at + 2
    case KeyTag.integer:
    case KeyTag.timestamp:
    case KeyTag.u64:
    case KeyTag.float:
      return at + 9
    case KeyTag.u256:
    case KeyTag.i256:
      return at + 33
    case KeyTag.blob:
      return at + 5 + readU32BE(bytes, at + 1)
    case KeyTag.text:
    case KeyTag.json:
      return textEnd(bytes, at + 1) + 1
    default:
      throw new MalformedBytes(`tag ${bytes[at]} in a key`)
  }
}

/** Index of the NUL that ends the text at `at`. */
function textEnd(bytes: Uint8Array, at: number): number {
  for (let i = at; i < bytes.length; i++) {
    if (bytes[i] !== 0) continue
    if (bytes[i + 1] !== ESCAPED_NUL) return i
    i++
  }
  throw new MalformedBytes('text in a key has no end')
}

/** The value of the part at `at`. */
export function readKeyValue(bytes: Uint8Array, at: number): Value {
  switch (bytes[at]) {
    case KeyTag.null:
      return null
    case KeyTag.u8:
      return bytes[at + 1]!
    case KeyTag.boolean:
      return bytes[at + 1] === 1
    case KeyTag.integer:
    case KeyTag.timestamp:
      return readInteger64(readU32BE(bytes, at + 1) ^ 0x80000000, readU32BE(bytes, at + 5))
    case KeyTag.u64:
      return readInteger64(readU32BE(bytes, at + 1), readU32BE(bytes, at + 5))
    case KeyTag.u256:
      return readInteger256(bytes, at + 1)
    case KeyTag.i256:
      return readInteger256(bytes, at + 1) - (1n << 255n)
    case KeyTag.float:
      return readFloat(bytes, at + 1)
    case KeyTag.blob:
      return bytes.slice(at + 5, at + 5 + readU32BE(bytes, at + 1))
    case KeyTag.text:
    case KeyTag.json:
      return readText(bytes, at + 1)
    default:
      throw new MalformedBytes(`tag ${bytes[at]} in a key`)
  }
}

/** `high` signed or unsigned, `low` unsigned 32 bits. */
function readInteger64(high: number, low: number): number | bigint {
  if (high >= -0x200000 && high < 0x200000) {
    const value = high * TWO_32 + low
    if (Number.isSafeInteger(value)) return value
  }
  return narrow((BigInt(high) << 32n) | BigInt(low))
}

function readInteger256(bytes: Uint8Array, at: number): bigint {
  let value = 0n
  for (let i = 0; i < 8; i++) value = (value << 32n) | BigInt(readU32BE(bytes, at + 4 * i))
  return value
}

function readFloat(bytes: Uint8Array, at: number): number {
  for (let i = 0; i < 8; i++) floatBytes[i] = bytes[at + i]!
  if ((floatBytes[0]! & 0x80) === 0) for (let i = 0; i < 8; i++) floatBytes[i] = ~floatBytes[i]!
  else floatBytes[0] = floatBytes[0]! & 0x7f
  return floatView.getFloat64(0)
}

function readText(bytes: Uint8Array, at: number): string {
  const end = textEnd(bytes, at)
  let hasNul = false
  for (let i = at; i < end && !hasNul; i++) hasNul = bytes[i] === 0
  try {
    if (!hasNul) return utf8Text(bytes, at, end)
    const plain = withoutEscapes(bytes.subarray(at, end))
    return utf8Text(plain, 0, plain.length)
  } catch (cause) {
    throw new MalformedBytes('text in a key is not UTF-8', { cause })
  }
}

function withoutEscapes(part: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(part.length)
  let length = 0
  for (let i = 0; i < part.length; i++) {
    bytes[length++] = part[i]!
    if (part[i] === 0) i++
  }
  return bytes.subarray(0, length)
}
