/** Little-endian fixed-width fields and growing buffers; the primitives of every format in docs/formats. */

const TWO_32 = 4294967296
const SHORT_TEXT = 64
const utf8 = new TextEncoder()
const utf8Strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Bytes that do not have the form that their reader expects. Decoders throw only this. */
export class MalformedBytes extends Error {
  override readonly name = 'MalformedBytes'
}

export function readU16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8)
}

export function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}

/** An unsigned 64-bit field that holds a safe integer; anything larger is malformed. */
export function readU64(bytes: Uint8Array, at: number): number {
  const high = readU32(bytes, at + 4)
  if (high > 0x1fffff) throw new MalformedBytes(`64-bit field at ${at} exceeds 2^53`)
  return high * TWO_32 + readU32(bytes, at)
}

export function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}

export function writeU64(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, value >>> 0)
  writeU32(bytes, at + 4, Math.floor(value / TWO_32))
}

const SLAB_BYTES = 65_536
let slab = new Uint8Array(SLAB_BYTES)
let slabAt = 0

/**
 * `length` bytes of any content, for short-lived messages whose maker writes every byte. Small ones are cut from a common block, which
 * costs a tenth of an allocation of their own and lives as long as the last of them.
 */
export function unwrittenBytes(length: number): Uint8Array {
  if (length > SLAB_BYTES >>> 4) return new Uint8Array(length)
  if (slabAt + length > SLAB_BYTES) {
    slab = new Uint8Array(SLAB_BYTES)
    slabAt = 0
  }
  const start = slabAt
  slabAt = (start + length + 7) & ~7
  return slab.subarray(start, start + length)
}

/**
 * A part of an array, without a new view where it is the part that was asked for last: a view costs as much as a short checksum of it.
 * Keeps the array.
 */
export class RecentView {
  #bytes: Uint8Array = new Uint8Array(0)
  #start = 0
  #end = 0
  #view: Uint8Array = this.#bytes

  of(bytes: Uint8Array, start: number, end: number): Uint8Array {
    if (bytes === this.#bytes && start === this.#start && end === this.#end) return this.#view
    this.#bytes = bytes
    this.#start = start
    this.#end = end
    this.#view = bytes.subarray(start, end)
    return this.#view
  }
}

/**
 * Views of the two arrays that were asked for last. Found by the array itself, because asking an array for its buffer costs more than what is
 * done with a short run of it.
 */
let recent: Uint8Array = new Uint8Array(0)
let recentView: DataView = new DataView(recent.buffer)
let former: Uint8Array = recent
let formerView: DataView = recentView

/** hot path (bench/apply): a view of exactly `bytes`. A new one costs as much as to go through some hundred bytes; a page has its own. */
export function dataViewOf(bytes: Uint8Array): DataView {
  if (bytes === recent) return recentView
  const view = bytes === former ? formerView : new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  former = recent
  formerView = recentView
  recent = bytes
  recentView = view
  return view
}

/**
 * Runs that `copyWords` copies sooner than a loop over bytes and than `set`, which wants a view of the part that it copies. An array that is
 * copied whole needs none.
 */
export const WORD_COPY_BYTES_MIN = 48
export const WORD_COPY_BYTES_MAX = 640

/** hot path (bench/apply): copies `length` bytes, by words. */
export function copyWords(to: DataView, at: number, from: DataView, start: number, length: number): void {
  const end = start + length
  let target = at
  let i = start
  for (; i + 16 <= end; i += 16, target += 16) {
    const first = from.getInt32(i, true)
    const second = from.getInt32(i + 4, true)
    const third = from.getInt32(i + 8, true)
    const fourth = from.getInt32(i + 12, true)
    to.setInt32(target, first, true)
    to.setInt32(target + 4, second, true)
    to.setInt32(target + 8, third, true)
    to.setInt32(target + 12, fourth, true)
  }
  for (; i + 4 <= end; i += 4, target += 4) to.setInt32(target, from.getInt32(i, true), true)
  for (; i < end; i++, target++) to.setUint8(target, from.getUint8(i))
}

/** Longest text that is tried as ASCII first: TextEncoder costs about a microsecond a call, a loop far less. */
const ASCII_TRIED_MAX = 256

export function utf8Bytes(text: string): Uint8Array {
  const { length } = text
  if (length > ASCII_TRIED_MAX) return utf8.encode(text)
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0x7f) return utf8.encode(text)
    bytes[i] = unit
  }
  return bytes
}

/** Up to this length plain characters are put together faster than the decoder is called. */
const SHORT_TEXT_BYTES = 16

/** The text whose UTF-8 is `bytes[start, end)`; throws TypeError for what is none. hot path (bench/query) */
export function utf8Text(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > SHORT_TEXT_BYTES) return utf8Strict.decode(bytes.subarray(start, end))
  let text = ''
  let at = start
  for (; at + 4 <= end; at += 4) {
    const a = bytes[at]!
    const b = bytes[at + 1]!
    const c = bytes[at + 2]!
    const d = bytes[at + 3]!
    if ((a | b | c | d) >= 0x80) return utf8Strict.decode(bytes.subarray(start, end))
    text += String.fromCharCode(a, b, c, d)
  }
  for (; at < end; at++) {
    const a = bytes[at]!
    if (a >= 0x80) return utf8Strict.decode(bytes.subarray(start, end))
    text += String.fromCharCode(a)
  }
  return text
}

/** Lexicographic order of bytes: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = a.length < b.length ? a.length : b.length
  for (let i = 0; i < length; i++) {
    const difference = a[i]! - b[i]!
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0
}

/** The smallest byte string greater than every string that starts with `prefix`; undefined if there is none (all 0xFF). */
export function prefixSuccessor(prefix: Uint8Array): Uint8Array | undefined {
  let end = prefix.length
  while (end > 0 && prefix[end - 1] === 0xff) end--
  if (end === 0) return undefined
  const successor = prefix.slice(0, end)
  successor[end - 1]!++
  return successor
}

/** Writes fields one after the other into a buffer that grows. Reusable after `reset`. */
export class ByteWriter {
  #bytes: Uint8Array
  #length = 0

  constructor(initialCapacity: number = 256) {
    this.#bytes = new Uint8Array(initialCapacity)
  }

  get length(): number {
    return this.#length
  }

  reset(): void {
    this.#length = 0
  }

  /** Takes back what was written from offset `length` on. */
  truncate(length: number): void {
    if (length < 0 || length > this.#length) throw new RangeError(`truncate to ${length}, ${this.#length} are written`)
    this.#length = length
  }

  /** Makes room for `count` bytes and returns the offset where they go; the caller fills `buffer` from there. */
  reserve(count: number): number {
    const at = this.#length
    const needed = at + count
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
      grown.set(this.#bytes.subarray(0, at))
      this.#bytes = grown
    }
    this.#length = needed
    return at
  }

  /** The buffer behind; valid until the next growth. */
  get buffer(): Uint8Array {
    return this.#bytes
  }

  u8(value: number): void {
    const at = this.reserve(1)
    this.#bytes[at] = value
  }

  u16(value: number): void {
    const at = this.reserve(2)
    writeU16(this.#bytes, at, value)
  }

  u32(value: number): void {
    const at = this.reserve(4)
    writeU32(this.#bytes, at, value)
  }

  u64(value: number): void {
    const at = this.reserve(8)
    writeU64(this.#bytes, at, value)
  }

  f64(value: number): void {
    const at = this.reserve(8)
    new DataView(this.#bytes.buffer, this.#bytes.byteOffset).setFloat64(at, value, true)
  }

  raw(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length)
    this.#bytes.set(bytes, at)
  }

  /** u32 length, then the bytes. */
  bytes32(bytes: Uint8Array): void {
    this.u32(bytes.length)
    this.raw(bytes)
  }

  /** u16 length, then the bytes. */
  bytes16(bytes: Uint8Array): void {
    if (bytes.length > 0xffff) throw new RangeError(`${bytes.length} bytes do not fit a 16-bit length`)
    this.u16(bytes.length)
    this.raw(bytes)
  }

  /** u8 length in bytes, then UTF-8: names. */
  text8(text: string): void {
    if (text.length <= 0xff && this.#ascii(text, 1)) return
    const bytes = utf8Bytes(text)
    if (bytes.length > 255) throw new RangeError(`name of ${bytes.length} bytes`)
    this.u8(bytes.length)
    this.raw(bytes)
  }

  /** u16 length in bytes, then UTF-8. */
  text16(text: string): void {
    if (text.length > SHORT_TEXT || !this.#ascii(text, 2)) this.bytes16(utf8.encode(text))
  }

  /** Writes a text without TextEncoder, which costs more than a name has to say; false if the text is not ASCII. */
  #ascii(text: string, lengthBytes: 1 | 2): boolean {
    const at = this.reserve(lengthBytes + text.length)
    const bytes = this.#bytes
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code > 0x7f) {
        this.#length = at
        return false
      }
      bytes[at + lengthBytes + i] = code
    }
    if (lengthBytes === 1) bytes[at] = text.length
    else writeU16(bytes, at, text.length)
    return true
  }

  /** What has been written, as a view of the buffer (valid until the next write or reset). */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  /** What has been written, as a copy of its own. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }
}

/** UTF-8 as text. @throws MalformedBytes */
export function readText(bytes: Uint8Array, start: number, end: number): string {
  try {
    return utf8Strict.decode(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end))
  } catch (cause) {
    throw new MalformedBytes('text is not UTF-8', { cause })
  }
}

/** Names come again and again (columns, tables): the last one of each hash is kept, so that most are found and not made. */
const names: string[] = Array.from({ length: 256 }, () => '')

/** As `readText`, for short texts that are likely to have been read before. */
export function readName(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start
  let hash = length
  for (let i = start; i < end; i++) hash = (hash * 31 + bytes[i]!) & 0xffff
  const slot = (hash ^ (hash >> 8)) & 0xff
  const known = names[slot]!
  if (known.length === length && isAsciiOf(known, bytes, start)) return known
  const name = readText(bytes, start, end)
  if (name.length === length) names[slot] = name
  return name
}

/** Whether the bytes are `text`, every character of which then is ASCII. */
function isAsciiOf(text: string, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit !== bytes[start + i] || unit > 0x7f) return false
  }
  return true
}

/** Reads fields one after the other; every read is checked against the end and throws `MalformedBytes` past it. */
export class ByteReader {
  readonly bytes: Uint8Array
  at: number
  readonly end: number

  constructor(bytes: Uint8Array, start: number = 0, end: number = bytes.length) {
    this.bytes = bytes
    this.at = start
    this.end = end
  }

  get remaining(): number {
    return this.end - this.at
  }

  private take(count: number): number {
    const at = this.at
    if (count > this.end - at) throw new MalformedBytes(`${count} bytes wanted at ${at}, ${this.end - at} left`)
    this.at = at + count
    return at
  }

  u8(): number {
    return this.bytes[this.take(1)]!
  }

  u16(): number {
    return readU16(this.bytes, this.take(2))
  }

  u32(): number {
    return readU32(this.bytes, this.take(4))
  }

  u64(): number {
    return readU64(this.bytes, this.take(8))
  }

  f64(): number {
    const at = this.take(8)
    return new DataView(this.bytes.buffer, this.bytes.byteOffset).getFloat64(at, true)
  }

  /** A view of the next `count` bytes. */
  raw(count: number): Uint8Array {
    const at = this.take(count)
    return this.bytes.subarray(at, at + count)
  }

  bytes32(): Uint8Array {
    return this.raw(this.u32())
  }

  bytes16(): Uint8Array {
    return this.raw(this.u16())
  }

  text8(): string {
    const length = this.u8()
    const at = this.take(length)
    return readName(this.bytes, at, at + length)
  }

  text16(): string {
    const bytes = this.bytes16()
    return readText(bytes, 0, bytes.length)
  }

  /** Everything must have been read. */
  expectEnd(): void {
    if (this.at !== this.end) throw new MalformedBytes(`${this.end - this.at} bytes after the end`)
  }
}
