import {
  MalformedBytes,
  messageLength,
  plainFrame,
  readU16,
  readU32,
  writeU32,
  type ByteWriter,
} from '../../encoding/index.ts'

/**
 * A binary frame is one WebSocket message that holds messages one after the other, so that all of one turn share one frame:
 *
 *   0 u32 length (header included)   4 u8 type   5 u8 flags (0)   6 u16 zero   8 u32 request id   12 body
 */
export const MESSAGE_HEADER_BYTES = 12

/** Types on the wire: never reused. Below 64 the client speaks, from 64 the server. */
export const MessageCode = {
  hello: 1,
  commit: 2,
  read: 3,
  openView: 4,
  closeView: 5,
  watch: 6,
  cancel: 7,
  ping: 8,
  statusRequest: 9,
  welcome: 64,
  topology: 65,
  outcome: 66,
  readResult: 67,
  viewOpened: 68,
  watchEvents: 69,
  error: 70,
  goaway: 71,
  pong: 72,
  status: 73,
} as const

/** Starts a message; its length is filled in by `endMessage`, which takes the result. */
export function beginMessage(out: ByteWriter, code: number, requestId: number): number {
  const at = out.reserve(MESSAGE_HEADER_BYTES)
  writeMessageHeader(out.buffer, at, 0, code, requestId)
  return at
}

export function endMessage(out: ByteWriter, at: number): void {
  writeU32(out.buffer, at, out.length - at)
}

export function writeMessageHeader(bytes: Uint8Array, at: number, length: number, code: number, id: number): void {
  writeU32(bytes, at, length)
  bytes[at + 4] = code
  bytes[at + 5] = 0
  bytes[at + 6] = 0
  bytes[at + 7] = 0
  writeU32(bytes, at + 8, id)
}

/** Walks the messages of a frame. Reusable; every `next` is checked against the end. Hot path: bench/wire. */
export class ClientFrameCursor {
  /** The frame as a plain Uint8Array, never a Buffer (whose `slice` does not copy). */
  bytes: Uint8Array = new Uint8Array(0)
  code = 0
  requestId = 0
  bodyStart = 0
  bodyEnd = 0

  /** @throws MalformedBytes if the frame is longer than `maxFrameBytes` */
  open(frame: Uint8Array, maxFrameBytes: number): void {
    this.bytes = plainFrame(frame, maxFrameBytes)
    this.bodyStart = 0
    this.bodyEnd = 0
  }

  /** Moves to the next message; false at the end of the frame. */
  next(): boolean {
    const bytes = this.bytes
    const at = this.bodyEnd
    const length = messageLength(bytes, at, MESSAGE_HEADER_BYTES)
    if (length === 0) return false
    if (bytes[at + 5] !== 0 || readU16(bytes, at + 6) !== 0) throw new MalformedBytes(`message flags at ${at}`)
    this.code = bytes[at + 4]!
    this.requestId = readU32(bytes, at + 8)
    this.bodyStart = at + MESSAGE_HEADER_BYTES
    this.bodyEnd = at + length
    return true
  }
}
