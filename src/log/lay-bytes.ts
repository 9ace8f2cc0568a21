/** Below, what the way round takes is more than it saves. */
const ROUND_BYTES_MIN = 1_024
const WORD_BYTES = 8
const PIECE_BYTES = 65_536

/** Memory of this thread that pieces go through. */
let between: Uint8Array | undefined

/**
 * Copies `bytes` to `target` from `at`. V8 copies into memory that threads share byte by byte, at a seventh of the pace, unless both sides lie
 * alike within words; what a follower has from its socket mostly does not, and is laid alike in memory of this thread first. hot path: bench/log.
 */
export function layBytes(target: Uint8Array, at: number, bytes: Uint8Array): void {
  const { length } = bytes
  const place = (target.byteOffset + at) % WORD_BYTES
  const isPlain = length < ROUND_BYTES_MIN || bytes.byteOffset % WORD_BYTES === place
  if (isPlain || !(target.buffer instanceof SharedArrayBuffer)) {
    target.set(bytes, at)
    return
  }
  between ??= new Uint8Array(WORD_BYTES + PIECE_BYTES)
  for (let done = 0; done < length; done += PIECE_BYTES) {
    const count = Math.min(PIECE_BYTES, length - done)
    between.set(bytes.subarray(done, done + count), place)
    target.set(between.subarray(place, place + count), at + done)
  }
}
