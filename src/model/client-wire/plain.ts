import { Packr, Unpackr } from 'msgpackr'
import { MalformedBytes, readU16, readU32, type ByteWriter } from '../../encoding/index.ts'

/**
 * Plain data (null, booleans, numbers, text, bytes, lists, maps with text keys) as MessagePack, for messages that are rare and
 * have many fields. What comes from outside is walked before msgpackr sees it, because msgpackr decodes extensions, renames the key
 * `__proto__`, reads 0xC1 as an object and recurses without a bound.
 */
const DEPTH_MAX = 8
const utf8Strict = new TextDecoder('utf-8', { fatal: true })

const packr = new Packr({ useRecords: false, mapsAsObjects: true, encodeUndefinedAsNil: true })
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number', copyBuffers: true })

export function writePlain(out: ByteWriter, value: unknown): void {
  out.raw(packr.pack(value))
}

/** Decodes `bytes[start, end)`, all of it. Bytes inside are copies. */
export function readPlain(bytes: Uint8Array, start: number, end: number): unknown {
  const body = bytes.subarray(start, end)
  if (new Walker(body).value(0) !== body.length) throw new MalformedBytes('msgpack: bytes after the end')
  try {
    return unpackr.unpack(body)
  } catch (cause) {
    throw new MalformedBytes('msgpack', { cause })
  }
}

/** Proves that bytes are MessagePack of the kinds above, bounded in depth, within their end. */
class Walker {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Steps over one value and answers where it ends. */
  value(depth: number): number {
    if (depth > DEPTH_MAX) throw new MalformedBytes(`msgpack: more than ${DEPTH_MAX} levels`)
    const tag = this.#bytes[this.#take(1)]!
    if (tag <= 0x7f || tag >= 0xe0) return this.#at
    if (tag <= 0x8f) return this.#map(tag & 15, depth)
    if (tag <= 0x9f) return this.#list(tag & 15, depth)
    if (tag <= 0xbf) return this.#text(tag & 31)
    switch (tag) {
      case 0xc0: // nil
      case 0xc2: // false
      case 0xc3: // true
        return this.#at
      case 0xc4: // bin8
        return this.#skip(this.#count(1))
      case 0xd9: // str8
        return this.#text(this.#count(1))
      case 0xc5:
        return this.#skip(this.#count(2))
      case 0xda:
        return this.#text(this.#count(2))
      case 0xc6:
        return this.#skip(this.#count(4))
      case 0xdb:
        return this.#text(this.#count(4))
      case 0xcc: // uint8
      case 0xd0: // int8
        return this.#skip(1)
      case 0xcd:
      case 0xd1:
        return this.#skip(2)
      case 0xca: // float32
      case 0xce:
      case 0xd2:
        return this.#skip(4)
      case 0xcb: // float64
      case 0xcf:
      case 0xd3:
        return this.#skip(8)
      case 0xdc:
        return this.#list(this.#count(2), depth)
      case 0xdd:
        return this.#list(this.#count(4), depth)
      case 0xde:
        return this.#map(this.#count(2), depth)
      case 0xdf:
        return this.#map(this.#count(4), depth)
      default: // 0xC1 and extensions
        throw new MalformedBytes(`msgpack: tag ${tag}`)
    }
  }

  #take(count: number): number {
    const at = this.#at
    if (count > this.#bytes.length - at) throw new MalformedBytes(`msgpack: cut at ${at}`)
    this.#at = at + count
    return at
  }

  #skip(count: number): number {
    this.#take(count)
    return this.#at
  }

  /** msgpackr would replace what is not UTF-8, so that two names became one. */
  #text(count: number): number {
    const at = this.#take(count)
    try {
      utf8Strict.decode(this.#bytes.subarray(at, at + count))
    } catch (cause) {
      throw new MalformedBytes('msgpack: text is not UTF-8', { cause })
    }
    return this.#at
  }

  /** Counts are big-endian in MessagePack. */
  #count(width: 1 | 2 | 4): number {
    const bytes = this.#bytes
    const at = this.#take(width)
    if (width === 1) return bytes[at]!
    if (width === 2) return (bytes[at]! << 8) | bytes[at + 1]!
    return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
  }

  #list(count: number, depth: number): number {
    for (let i = 0; i < count; i++) this.value(depth + 1)
    return this.#at
  }

  #map(count: number, depth: number): number {
    for (let i = 0; i < count; i++) {
      const start = this.#at
      const tag = this.#bytes[start]
      if (tag === undefined || !((tag >= 0xa0 && tag <= 0xbf) || (tag >= 0xd9 && tag <= 0xdb))) {
        throw new MalformedBytes('msgpack: a key that is no text')
      }
      const end = this.value(depth)
      if (isProto(this.#bytes, end)) throw new MalformedBytes('msgpack: the key __proto__')
      this.value(depth + 1)
    }
    return this.#at
  }
}

/** Whether the text that ends at `end` ends in `__proto__`. */
function isProto(bytes: Uint8Array, end: number): boolean {
  // The nine bytes of `__proto__` as two words and a byte: `__pr`, `oto_`, `_`.
  return (
    end >= 9 &&
    readU32(bytes, end - 9) === 0x72705f5f &&
    readU16(bytes, end - 5) === 0x746f &&
    readU16(bytes, end - 3) === 0x5f6f &&
    bytes[end - 1] === 0x5f
  )
}
