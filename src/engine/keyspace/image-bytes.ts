import {
  ByteReader,
  compareBytes,
  MalformedBytes,
  readU16,
  readU32,
  writeU16,
  writeU32,
  writeU64,
} from '../../encoding/index.ts'
import { HAS_EXPIRY, IS_CHANGED, IS_LARGE, readSeq } from './record.ts'

/**
 * Leaf images as they travel between replicas (docs/formats/snapshot.md). An image is logical: all records of the range
 * [lower, upper) and the seq of the last change in it, whatever the sender's pages look like. The bytes of a record are those of
 * a leaf's cell, so that neither side takes them apart without need; in place of a large value stand its length and digest. A chunk has
 * no checksum: who carries it has one for it.
 */
const FORMAT = 3
const HEADER_BYTES = 5
const RECORD_HEADER_BYTES = 4
/** In the payload of a large record, behind what every record has: length u32, digest lo u32, hi u32, whether the value follows u8. */
export const LARGE_REFERENCE_BYTES = 13
const NO_BYTES = new Uint8Array(0)
const TWO_32 = 4294967296
/** Below, a loop is quicker than `set` with the view of a part that it takes; of a whole array it is quicker much sooner. */
const SHORT_COPY_BYTES = 64
const SHORT_ARRAY_BYTES = 20

/** hot path (bench/snapshot) */
export function copyRun(to: Uint8Array, at: number, from: Uint8Array, start: number, length: number): void {
  if (length === from.length && length > SHORT_ARRAY_BYTES) to.set(from, at)
  else if (length > SHORT_COPY_BYTES) to.set(from.subarray(start, start + length), at)
  else for (let i = 0; i < length; i++) to[at + i] = from[start + i]!
}

/** Bytes that an image takes before its records. */
export function imageHeaderBytes(lower: Uint8Array, upper: Uint8Array | undefined, prefix: number): number {
  return 19 + lower.length + (upper?.length ?? 0) + prefix
}

/** Bytes of a record whose key has `suffix` bytes behind the image's prefix; `value` is what travels behind its payload. */
export function imageRecordBytes(suffix: number, payload: number, value: number): number {
  return RECORD_HEADER_BYTES + suffix + payload + value
}

/** Writes one chunk: whole images. */
export class ImageWriter {
  #bytes: Uint8Array
  #length = HEADER_BYTES
  #images = 0

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity)
  }

  get length(): number {
    return this.#length
  }

  get isEmpty(): boolean {
    return this.#images === 0
  }

  /** The buffer behind, with room for `count` more bytes. */
  room(count: number): Uint8Array {
    const needed = this.#length + count
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
      grown.set(this.#bytes.subarray(0, this.#length))
      this.#bytes = grown
    }
    return this.#bytes
  }

  /** `prefix`: the first bytes of every key of the image, which its records leave out. */
  begin(lower: Uint8Array, upper: Uint8Array | undefined, seq: number, records: number, prefix: Uint8Array): void {
    const bytes = this.room(imageHeaderBytes(lower, upper, prefix.length))
    let at = putBytes16(bytes, this.#length, lower)
    bytes[at++] = upper === undefined ? 0 : 1
    at = putBytes16(bytes, at, upper ?? NO_BYTES)
    writeU64(bytes, at, seq)
    writeU32(bytes, at + 8, records)
    this.#length = putBytes16(bytes, at + 12, prefix)
    this.#images++
  }

  /** A record's lengths; the caller writes suffix and payload from the offset returned into `room(0)`. */
  record(suffix: number, payload: number): number {
    const at = this.#length
    const bytes = this.room(RECORD_HEADER_BYTES + suffix + payload + RECORD_HEADER_BYTES)
    writeU16(bytes, at, suffix)
    writeU16(bytes, at + 2, payload)
    this.#length = at + RECORD_HEADER_BYTES + suffix + payload
    return at + RECORD_HEADER_BYTES
  }

  /** The large value of the record before. */
  value(value: Uint8Array): void {
    const bytes = this.room(value.length)
    bytes.set(value, this.#length)
    this.#length += value.length
  }

  finish(): Uint8Array {
    const bytes = this.#bytes.subarray(0, this.#length)
    bytes[0] = FORMAT
    writeU32(bytes, 1, this.#images)
    return bytes
  }
}

function putBytes16(bytes: Uint8Array, at: number, value: Uint8Array): number {
  writeU16(bytes, at, value.length)
  bytes.set(value, at + 2)
  return at + 2 + value.length
}

/** Writes what stands in the payload for a large value. */
export function writeLargeReference(
  bytes: Uint8Array,
  at: number,
  length: number,
  lo: number,
  hi: number,
  travels: boolean,
): void {
  writeU32(bytes, at, length)
  writeU32(bytes, at + 4, lo)
  writeU32(bytes, at + 8, hi)
  bytes[at + 12] = travels ? 1 : 0
}

/**
 * Reads one chunk. `nextImage`, then `nextRecord` until it is false, give the fields below, which the next call overwrites.
 * Everything is checked against the chunk's end; changed bytes are found by whoever carried it, or by S. @throws MalformedBytes
 */
export class ImageReader {
  readonly bytes: Uint8Array
  lower: Uint8Array = NO_BYTES
  /** undefined = to the end of the keyspace. */
  upper: Uint8Array | undefined
  seq = 0
  /** The record's full key is `key[0, keyBytes)`. */
  key: Uint8Array = new Uint8Array(256)
  keyBytes = 0
  /** The payload as it would stand in a leaf, except for a large value's reference. */
  payloadAt = 0
  payloadBytes = 0
  versionSeq = 0
  createdSeq = 0
  expiresAtMicros = 0
  /** Where the value stands in `bytes`; of a large one only if it travels. */
  valueAt = 0
  valueBytes = 0
  isLarge = false
  /** The large value is in this chunk; otherwise the receiver has it at this version. */
  travels = false
  largeLo = 0
  largeHi = 0
  readonly #reader: ByteReader
  #images: number
  #records = 0
  #prefix = 0
  #isFirst = true
  /** Views of `key` by length: a record costs no object. */
  #views: Uint8Array[] = []

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.#reader = new ByteReader(bytes)
    if (this.#reader.u8() !== FORMAT) throw new MalformedBytes('snapshot chunk format')
    this.#images = this.#reader.u32()
  }

  /** The record's key, without a copy: valid until the next record. */
  get keyView(): Uint8Array {
    return (this.#views[this.keyBytes] ??= this.key.subarray(0, this.keyBytes))
  }

  nextImage(): boolean {
    const reader = this.#reader
    while (this.#records > 0) this.nextRecord()
    if (this.#images === 0) {
      reader.expectEnd()
      return false
    }
    this.#images--
    this.lower = reader.bytes16()
    const hasUpper = reader.u8() === 1
    const upper = reader.bytes16()
    this.upper = hasUpper ? upper : undefined
    if (hasUpper && compareBytes(this.lower, upper) >= 0) throw new MalformedBytes('snapshot image of no range')
    this.seq = reader.u64()
    this.#records = reader.u32()
    const prefix = reader.bytes16()
    this.#coverKey(prefix.length)
    this.key.set(prefix)
    this.#prefix = prefix.length
    this.keyBytes = prefix.length
    this.#isFirst = true
    return true
  }

  /** hot path (bench/snapshot) */
  nextRecord(): boolean {
    if (this.#records === 0) return false
    this.#records--
    const { bytes } = this
    const reader = this.#reader
    const at = reader.at
    if (at + RECORD_HEADER_BYTES > reader.end) throw new MalformedBytes('snapshot record')
    const suffix = readU16(bytes, at)
    const payload = readU16(bytes, at + 2)
    const payloadAt = at + RECORD_HEADER_BYTES + suffix
    if (payloadAt + payload > reader.end) throw new MalformedBytes('snapshot record')
    const keyBytes = this.#prefix + suffix
    if (keyBytes > this.key.length) this.#coverKey(keyBytes)
    if (!this.#isFirst && !this.#isAbove(at + RECORD_HEADER_BYTES, suffix)) throw new MalformedBytes('snapshot order')
    copyRun(this.key, this.#prefix, bytes, at + RECORD_HEADER_BYTES, suffix)
    this.keyBytes = keyBytes
    if (this.#isFirst || this.#records === 0) this.#requireInside()
    this.#isFirst = false
    this.payloadAt = payloadAt
    this.payloadBytes = payload
    reader.at = payloadAt + payload
    this.#readPayload()
    return true
  }

  #readPayload(): void {
    const { bytes, payloadAt } = this
    const end = payloadAt + this.payloadBytes
    const flags = this.payloadBytes === 0 ? 0xff : bytes[payloadAt]!
    let next = payloadAt + 8
    if ((flags & ~(HAS_EXPIRY | IS_CHANGED | IS_LARGE)) !== 0 || next > end) throw new MalformedBytes('snapshot record')
    this.createdSeq = this.versionSeq = readSeq(bytes, payloadAt + 1)
    this.expiresAtMicros = 0
    if ((flags & IS_CHANGED) !== 0) {
      if (next + 7 > end) throw new MalformedBytes('snapshot record')
      this.createdSeq = readSeq(bytes, next)
      next += 7
    }
    if ((flags & HAS_EXPIRY) !== 0) {
      if (next + 8 > end) throw new MalformedBytes('snapshot record')
      this.expiresAtMicros = readU32(bytes, next) + readU32(bytes, next + 4) * TWO_32
      next += 8
    }
    if (this.versionSeq > this.seq) throw new MalformedBytes('snapshot record later than its image')
    this.isLarge = (flags & IS_LARGE) !== 0
    this.valueAt = next
    this.valueBytes = end - next
    if (this.isLarge) this.#readLarge(next, end)
  }

  #readLarge(at: number, end: number): void {
    const { bytes } = this
    const reader = this.#reader
    if (end - at !== LARGE_REFERENCE_BYTES) throw new MalformedBytes('snapshot record')
    this.valueBytes = readU32(bytes, at)
    this.largeLo = readU32(bytes, at + 4)
    this.largeHi = readU32(bytes, at + 8)
    this.travels = bytes[at + 12] === 1
    this.valueAt = end
    if (!this.travels) return
    if (end + this.valueBytes > reader.end) throw new MalformedBytes('snapshot record')
    reader.at = end + this.valueBytes
  }

  /** Whether the suffix at `at` is behind that of the record before. */
  #isAbove(at: number, suffix: number): boolean {
    const { bytes, key } = this
    const from = this.#prefix
    const before = this.keyBytes - from
    const end = before < suffix ? before : suffix
    for (let i = 0; i < end; i++) {
      const difference = bytes[at + i]! - key[from + i]!
      if (difference !== 0) return difference > 0
    }
    return suffix > before
  }

  #requireInside(): void {
    const key = this.keyView
    if (compareBytes(key, this.lower) < 0 || (this.upper !== undefined && compareBytes(key, this.upper) >= 0)) {
      throw new MalformedBytes('snapshot record outside of its image')
    }
  }

  #coverKey(length: number): void {
    if (length <= this.key.length) return
    const larger = new Uint8Array(2 * length)
    larger.set(this.key)
    this.key = larger
    this.#views = []
  }
}
