import { ByteWriter, writeU16, writeU32, writeU64 } from '../../encoding/index.ts'
import { FRAME_FORMAT, FRAME_HEADER_BYTES, MESSAGE_HEADER_BYTES } from './frame-cursor.ts'
import type { PeerHeader } from './messages.ts'

const TWO_16 = 0x10000
const TWO_32 = 0x1_0000_0000

/**
 * Collects the messages of a turn to one peer. Fields are written into a small buffer that is kept; entries, requests and chunks are
 * only remembered, and copied once, into the frame itself.
 */
export class FrameWriter {
  readonly #fields = new ByteWriter(1024)
  /** What goes into the frame after `#bulkAt[i]` bytes of fields. */
  readonly #bulk: Uint8Array[] = []
  readonly #bulkAt: number[] = []
  #bulkBytes = 0
  #messageAt = 0
  #messageBulkBytes = 0

  /** Bytes of the frame so far. */
  get byteLength(): number {
    return FRAME_HEADER_BYTES + this.#fields.length + this.#bulkBytes
  }

  get isEmpty(): boolean {
    return this.#fields.length === 0
  }

  begin(code: number, flags: number, header: PeerHeader): void {
    const at = this.#fields.reserve(MESSAGE_HEADER_BYTES)
    const bytes = this.#fields.buffer
    bytes[at + 4] = code
    bytes[at + 5] = flags
    writeU16(bytes, at + 6, 0)
    requireInteger(header.from, TWO_32)
    requireInteger(header.to, TWO_32)
    requireInteger(header.term)
    writeU32(bytes, at + 8, header.from)
    writeU32(bytes, at + 12, header.to)
    writeU64(bytes, at + 16, header.term)
    this.#messageAt = at
    this.#messageBulkBytes = this.#bulkBytes
  }

  end(): void {
    const length = this.#fields.length - this.#messageAt + this.#bulkBytes - this.#messageBulkBytes
    requireInteger(length, TWO_32)
    writeU32(this.#fields.buffer, this.#messageAt, length)
  }

  /** Takes a message back that was begun and could not be ended. */
  undo(to: { fields: number; bulk: number; bulkBytes: number }): void {
    this.#fields.truncate(to.fields)
    this.#bulk.length = this.#bulkAt.length = to.bulk
    this.#bulkBytes = to.bulkBytes
  }

  mark(): { fields: number; bulk: number; bulkBytes: number } {
    return { fields: this.#fields.length, bulk: this.#bulk.length, bulkBytes: this.#bulkBytes }
  }

  u8(value: number): void {
    requireInteger(value, 256)
    this.#fields.u8(value)
  }

  u16(value: number): void {
    requireInteger(value, TWO_16)
    this.#fields.u16(value)
  }

  u32(value: number): void {
    requireInteger(value, TWO_32)
    this.#fields.u32(value)
  }

  u64(value: number): void {
    requireInteger(value)
    this.#fields.u64(value)
  }

  f64(value: number): void {
    if (!Number.isFinite(value)) throw new RangeError(`${value} is no time`)
    this.#fields.f64(value)
  }

  text16(text: string): void {
    this.#fields.text16(text)
  }

  bytes16(bytes: Uint8Array): void {
    this.#fields.bytes16(bytes)
  }

  raw(bytes: Uint8Array): void {
    this.#fields.raw(bytes)
  }

  /** For encoders that want a `ByteWriter`. */
  get fields(): ByteWriter {
    return this.#fields
  }

  /** Bytes that stay where they are until `finish`; they must not change before. */
  bulk(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#bulk.push(bytes)
    this.#bulkAt.push(this.#fields.length)
    this.#bulkBytes += bytes.length
  }

  /** The frame, in memory of its own; the writer is empty afterwards. */
  finish(group: number): Uint8Array {
    requireInteger(group, TWO_32)
    const frame = new Uint8Array(this.byteLength)
    frame[0] = FRAME_FORMAT
    writeU32(frame, 4, group)
    const fields = this.#fields.view()
    let out = FRAME_HEADER_BYTES
    let from = 0
    for (let i = 0; i < this.#bulk.length; i++) {
      const until = this.#bulkAt[i]!
      copyFields(fields, from, until, frame, out)
      out += until - from
      frame.set(this.#bulk[i]!, out)
      out += this.#bulk[i]!.length
      from = until
    }
    copyFields(fields, from, fields.length, frame, out)
    this.clear()
    return frame
  }

  clear(): void {
    this.#fields.reset()
    // Taken out one by one: a length that is set is a call into the engine of the language.
    while (this.#bulk.length > 0) {
      this.#bulk.pop()
      this.#bulkAt.pop()
    }
    this.#bulkBytes = 0
  }
}

/** Few bytes are copied sooner than a view of them is made. */
const VIEW_FROM_BYTES = 128

function copyFields(fields: Uint8Array, from: number, until: number, frame: Uint8Array, out: number): void {
  if (until - from >= VIEW_FROM_BYTES) frame.set(fields.subarray(from, until), out)
  else for (let i = from; i < until; i++) frame[out++] = fields[i]!
}

function requireInteger(value: number, below: number = Number.MAX_SAFE_INTEGER + 1): void {
  if (!Number.isSafeInteger(value) || value < 0 || value >= below) {
    throw new RangeError(`${value} is not an integer from 0 below ${below}`)
  }
}
