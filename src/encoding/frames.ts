import { MalformedBytes, readU32 } from './bytes.ts'

/**
 * What the frames of clients and of peers have in common: a frame holds messages one after the other, and each begins with its length
 * (u32, its header included). hot path: bench/wire
 */

/**
 * The frame as a plain Uint8Array, never a Buffer, whose `slice` does not copy.
 * @throws MalformedBytes if it is longer than `maxFrameBytes`
 */
export function plainFrame(frame: Uint8Array, maxFrameBytes: number): Uint8Array {
  if (frame.length > maxFrameBytes) {
    throw new MalformedBytes(`frame of ${frame.length} bytes, at most ${maxFrameBytes} are allowed`)
  }
  return frame.constructor === Uint8Array ? frame : new Uint8Array(frame.buffer, frame.byteOffset, frame.byteLength)
}

/** Bytes of the message at `at`, header included; 0 at the end of the frame. @throws MalformedBytes if it does not fit the frame */
export function messageLength(bytes: Uint8Array, at: number, headerBytes: number): number {
  const left = bytes.length - at
  if (left === 0) return 0
  if (left < headerBytes) throw new MalformedBytes(`message header cut at ${at}`)
  const length = readU32(bytes, at)
  if (length < headerBytes || length > left) throw new MalformedBytes(`message length ${length} at ${at}`)
  return length
}
