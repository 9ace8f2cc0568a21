import { ByteReader, ByteWriter, MalformedBytes, utf8Bytes } from './bytes.ts'
import { bigEndianToBigint, bigintToBigEndian } from './big-endian.ts'

/**
 * Values as bytes whose lexicographic order is the order of the values (docs/formats/ordered-keys.md): the keys of tables and
 * indexes. A key is one encoding after the other, each a tag and a body, so that order goes by the first part that differs, and the
 * encoding of the first parts is a prefix of the whole key.
 */
export type KeyPart =
  /** Last in keys. */
  | { type: 'null' }
  | { type: 'u8'; value: number }
  | { type: 'boolean'; value: boolean }
  /** Finite; -0 is written as 0, so that equal numbers have equal keys. */
  | { type: 'float'; value: number }
  | { type: 'integer' | 'timestamp' | 'u64' | 'u256' | 'i256'; value: bigint }
  /** In the order of code points. */
  | { type: 'text' | 'json'; value: string }
  /** Shorter ones first, then byte by byte. */
  | { type: 'blob'; value: Uint8Array }

/**
 * First byte of a part. Values are on disk: never reused. None is FF: after the end of a text that would read as an escaped NUL.
 */
export const KeyTag = {
  u8: 0x0f,
  integer: 0x10,
  timestamp: 0x11,
  u256: 0x12,
  i256: 0x13,
  text: 0x14,
  json: 0x15,
  boolean: 0x16,
  float: 0x17,
  blob: 0x18,
  u64: 0x19,
  null: 0xfe,
} as const

/** Integers are shifted by half their range where they are signed, so that the smallest is all zero bits. */
const INTEGERS = {
  integer: { width: 64, shift: 1n << 63n },
  timestamp: { width: 64, shift: 1n << 63n },
  u64: { width: 64, shift: 0n },
  u256: { width: 256, shift: 0n },
  i256: { width: 256, shift: 1n << 255n },
} as const

/** What follows a NUL within a text; larger than any tag. */
const ESCAPED_NUL = 0xff
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The key of `parts`. RangeError for a value outside its type's range, NaN and infinities. */
export function encodeOrderedKey(parts: readonly KeyPart[]): Uint8Array {
  const writer = new ByteWriter(64)
  for (const part of parts) writeKeyPart(writer, part)
  return writer.finish()
}

export function writeKeyPart(writer: ByteWriter, part: KeyPart): void {
  writer.u8(KeyTag[part.type])
  switch (part.type) {
    case 'null':
      return
    case 'u8':
      if (!Number.isInteger(part.value) || part.value < 0 || part.value > 255)
        throw new RangeError(`${part.value}: no u8`)
      return writer.u8(part.value)
    case 'boolean':
      return writer.u8(part.value ? 1 : 0)
    case 'float':
      return writeFloat(writer, part.value)
    case 'text':
    case 'json':
      return writeText(writer, part.value)
    case 'blob':
      writer.raw(bigintToBigEndian(BigInt(part.value.length), 64).subarray(4))
      return writer.raw(part.value)
    default: {
      const { width, shift } = INTEGERS[part.type]
      return writer.raw(bigintToBigEndian(part.value + shift, width))
    }
  }
}

/** A NUL is written as 00 FF and the end as 00: a text that goes on after a NUL is larger than one that ends there. */
function writeText(writer: ByteWriter, text: string): void {
  for (const byte of utf8Bytes(text)) {
    writer.u8(byte)
    if (byte === 0) writer.u8(ESCAPED_NUL)
  }
  writer.u8(0)
}

/** IEEE 754 bits, big-endian: all inverted if negative, else the sign bit set. */
function writeFloat(writer: ByteWriter, value: number): void {
  if (!Number.isFinite(value)) throw new RangeError(`${value} has no place in a key`)
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setFloat64(0, value === 0 ? 0 : value)
  if (value < 0) for (let i = 0; i < 8; i++) bytes[i] = ~bytes[i]!
  else bytes[0] = bytes[0]! | 0x80
  writer.raw(bytes)
}

/** The parts of a whole key; every key has one encoding, all others are malformed. */
export function decodeOrderedKey(bytes: Uint8Array, start: number = 0, end: number = bytes.length): KeyPart[] {
  const reader = new ByteReader(bytes, start, end)
  const parts: KeyPart[] = []
  while (reader.remaining > 0) parts.push(readKeyPart(reader))
  return parts
}

export function readKeyPart(reader: ByteReader): KeyPart {
  const tag = reader.u8()
  switch (tag) {
    case KeyTag.null:
      return { type: 'null' }
    case KeyTag.u8:
      return { type: 'u8', value: reader.u8() }
    case KeyTag.boolean: {
      const value = reader.u8()
      if (value > 1) throw new MalformedBytes(`boolean ${value} in a key`)
      return { type: 'boolean', value: value === 1 }
    }
    case KeyTag.float:
      return { type: 'float', value: readFloat(reader) }
    case KeyTag.text:
    case KeyTag.json:
      return { type: tag === KeyTag.text ? 'text' : 'json', value: readText(reader) }
    case KeyTag.blob: {
      const length = Number(bigEndianToBigint(reader.raw(4)))
      return { type: 'blob', value: reader.raw(length).slice() }
    }
    default:
      return readInteger(reader, tag)
  }
}

const INTEGER_TYPES = ['integer', 'timestamp', 'u64', 'u256', 'i256'] as const

function readInteger(reader: ByteReader, tag: number): KeyPart {
  const type = INTEGER_TYPES.find(type => KeyTag[type] === tag)
  if (type === undefined) throw new MalformedBytes(`tag ${tag} in a key`)
  const { width, shift } = INTEGERS[type]
  return { type, value: bigEndianToBigint(reader.raw(width / 8)) - shift }
}

function readText(reader: ByteReader): string {
  const start = reader.at
  const writer = new ByteWriter(32)
  for (;;) {
    const byte = reader.u8()
    writer.u8(byte)
    if (byte !== 0) continue
    if (reader.remaining === 0 || reader.bytes[reader.at] !== ESCAPED_NUL) break
    reader.u8()
  }
  try {
    return strictUtf8.decode(writer.view().subarray(0, writer.length - 1))
  } catch (cause) {
    throw new MalformedBytes(`text at ${start} of a key is not UTF-8`, { cause })
  }
}

function readFloat(reader: ByteReader): number {
  const bytes = reader.raw(8).slice()
  if ((bytes[0]! & 0x80) === 0) for (let i = 0; i < 8; i++) bytes[i] = ~bytes[i]!
  else bytes[0] = bytes[0]! & 0x7f
  const value = new DataView(bytes.buffer).getFloat64(0)
  if (!Number.isFinite(value) || Object.is(value, -0)) throw new MalformedBytes(`float ${value} in a key`)
  return value
}
