import {
  ByteReader,
  ByteWriter,
  digestBytes,
  equalBytes,
  fromBase64,
  MalformedBytes,
  toBase64,
  utf8Bytes,
  writeU32,
  zeroDigest,
} from '../../encoding/index.ts'
import type { Value } from '../../encoding/index.ts'
import { CURSOR_VERSION, QuorateError } from '../../model/index.ts'
import { textOfValue } from './keys-of-values.ts'
import type { Mark } from './stages.ts'

/** Which query and way of running it a cursor belongs to: a digest, to tell one's own queries apart. */
export const FINGERPRINT_BYTES = 8
const MAC_BYTES = 16

const Kind = { key: 1, sort: 2, count: 3, joined: 4 } as const
const ValueTag = { null: 0, false: 1, true: 2, number: 3, bigint: 4, text: 5, bytes: 6 } as const

/** Gives the signature of a cursor's bytes, which has 16 bytes at the least. */
export type SignCursor = (bytes: Uint8Array) => Uint8Array

export interface CursorParts {
  /** The state that all pages are of. */
  readonly seq: number
  readonly fingerprint: Uint8Array
  readonly mark: Mark
}

/** The text of a cursor (docs/formats/query-cursor.md). */
export function encodeCursor({ seq, fingerprint, mark }: CursorParts, sign: SignCursor): string {
  const writer = new ByteWriter(128)
  writer.u8(CURSOR_VERSION)
  writer.u64(seq)
  writer.raw(fingerprint)
  writer.u8(Kind[mark.kind])
  if (mark.kind === 'key') writer.raw(mark.key)
  else if (mark.kind === 'count') writer.u64(mark.rows)
  else if (mark.kind === 'joined') {
    writer.u64(mark.rows)
    writer.raw(mark.key)
  } else {
    writer.u8(mark.keys.length)
    for (const value of mark.keys) writeValue(writer, value)
    writer.raw(mark.tie)
  }
  const body = writer.finish()
  writer.raw(sign(body).subarray(0, MAC_BYTES))
  return toBase64(writer.finish()).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** @throws QuorateError `invalid_cursor` for what was not signed with the key */
export function decodeCursor(text: string, sign: SignCursor): CursorParts {
  const bytes = bytesOf(text)
  const body = bytes.subarray(0, -MAC_BYTES)
  if (body.length === 0 || !equalBytes(sign(body).subarray(0, MAC_BYTES), bytes.subarray(-MAC_BYTES))) {
    throw invalidCursor('the cursor is not from here')
  }
  const reader = new ByteReader(body)
  if (reader.u8() !== CURSOR_VERSION) throw invalidCursor('the cursor is of another version')
  const seq = reader.u64()
  const fingerprint = reader.raw(FINGERPRINT_BYTES).slice()
  return { seq, fingerprint, mark: readMark(reader) }
}

function readMark(reader: ByteReader): Mark {
  const kind = reader.u8()
  if (kind === Kind.key) return { kind: 'key', key: reader.raw(reader.remaining).slice() }
  if (kind === Kind.count) return { kind: 'count', rows: reader.u64() }
  if (kind === Kind.joined) {
    const rows = reader.u64()
    return { kind: 'joined', rows, key: reader.raw(reader.remaining).slice() }
  }
  const keys = Array.from({ length: reader.u8() }, () => readValue(reader))
  return { kind: 'sort', keys, tie: reader.raw(reader.remaining).slice() }
}

export function invalidCursor(message: string): QuorateError {
  return new QuorateError('invalid_cursor', message)
}

function bytesOf(text: string): Uint8Array {
  const plain = text.replaceAll('-', '+').replaceAll('_', '/')
  try {
    return fromBase64(plain.padEnd(Math.ceil(plain.length / 4) * 4, '='))
  } catch (error) {
    throw new QuorateError('invalid_cursor', 'the cursor is no cursor', { cause: error })
  }
}

function writeValue(writer: ByteWriter, value: Value): void {
  if (value === null) return writer.u8(ValueTag.null)
  switch (typeof value) {
    case 'boolean':
      return writer.u8(value ? ValueTag.true : ValueTag.false)
    case 'number':
      writer.u8(ValueTag.number)
      return writer.f64(value)
    case 'bigint':
      writer.u8(ValueTag.bigint)
      return writer.bytes16(utf8Bytes(`${value}`))
    case 'string':
      writer.u8(ValueTag.text)
      return writer.bytes32(utf8Bytes(value))
    default:
      writer.u8(ValueTag.bytes)
      return writer.bytes32(value)
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function readValue(reader: ByteReader): Value {
  const tag = reader.u8()
  switch (tag) {
    case ValueTag.null:
      return null
    case ValueTag.false:
    case ValueTag.true:
      return tag === ValueTag.true
    case ValueTag.number:
      return reader.f64()
    case ValueTag.bigint:
      return BigInt(utf8.decode(reader.bytes16()))
    case ValueTag.text:
      return utf8.decode(reader.bytes32())
    case ValueTag.bytes:
      return reader.bytes32().slice()
    default:
      throw new MalformedBytes(`value ${tag} in a cursor`)
  }
}

/** A hash of data of any shape: equal data, equal hash. */
export function fingerprintOf(data: unknown): Uint8Array {
  const text = utf8Bytes(canonical(data))
  const digest = zeroDigest()
  digestBytes(digest, text, 0, text.length)
  const bytes = new Uint8Array(FINGERPRINT_BYTES)
  writeU32(bytes, 0, digest.lo)
  writeU32(bytes, 4, digest.hi)
  return bytes
}

function canonical(data: unknown): string {
  if (data === undefined) return 'u'
  if (data === null || typeof data !== 'object' || data instanceof Uint8Array) return textOfValue(data as Value)
  if (Array.isArray(data)) return `[${data.map(canonical).join(',')}]`
  const names = Object.keys(data).sort()
  const fields = data as Readonly<Record<string, unknown>>
  const given = names.filter(name => fields[name] !== undefined)
  return `{${given.map(name => `${textOfValue(name)}=${canonical(fields[name])}`).join(',')}}`
}
