import { MalformedBytes, messageLength, plainFrame, readU16, readU32, readU64 } from '../../encoding/index.ts'

/**
 * A frame holds what one node says to another in one turn:
 *
 *   0 u8 format (1)   1 u8, u16 zero   4 u32 group   8 messages:
 *   0 u32 length (header included)   4 u8 type   5 u8 flags   6 u16 zero   8 u32 from   12 u32 to   16 u64 term   24 body
 */
export const FRAME_FORMAT = 1
export const FRAME_HEADER_BYTES = 8
export const MESSAGE_HEADER_BYTES = 24

/** Walks the messages of a frame. Reusable; every `next` is checked against the end. */
export class PeerFrameCursor {
  /** The frame as a plain Uint8Array. */
  bytes: Uint8Array = new Uint8Array(0)
  group = 0
  code = 0
  flags = 0
  from = 0
  to = 0
  term = 0
  bodyStart = 0
  bodyEnd = 0

  /** @throws MalformedBytes */
  open(frame: Uint8Array, maxFrameBytes: number): void {
    const bytes = plainFrame(frame, maxFrameBytes)
    if (bytes.length < FRAME_HEADER_BYTES) throw new MalformedBytes('frame header cut')
    if (bytes[0] !== FRAME_FORMAT) throw new MalformedBytes(`frame format ${bytes[0]}`)
    if (bytes[1] !== 0 || readU16(bytes, 2) !== 0) throw new MalformedBytes('frame flags')
    this.bytes = bytes
    this.group = readU32(bytes, 4)
    this.bodyStart = this.bodyEnd = FRAME_HEADER_BYTES
  }

  /** Moves to the next message; false at the end of the frame. */
  next(): boolean {
    const bytes = this.bytes
    const at = this.bodyEnd
    const length = messageLength(bytes, at, MESSAGE_HEADER_BYTES)
    if (length === 0) return false
    if (readU16(bytes, at + 6) !== 0) throw new MalformedBytes(`message header at ${at}`)
    this.code = bytes[at + 4]!
    this.flags = bytes[at + 5]!
    this.from = readU32(bytes, at + 8)
    this.to = readU32(bytes, at + 12)
    this.term = readU64(bytes, at + 16)
    this.bodyStart = at + MESSAGE_HEADER_BYTES
    this.bodyEnd = at + length
    return true
  }
}
