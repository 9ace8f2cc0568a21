import { equalBytes } from '../../encoding/index.ts'
import type { SnapshotChunk } from '../../model/index.ts'

export interface NumberedChunk extends SnapshotChunk {
  readonly number: number
}

/**
 * The chunks of one transfer that were read from the source and not yet acknowledged. They stay in memory, so that a lost link costs
 * only what was under way: a receiver resumes after a fence, and chunks keep their numbers.
 */
export class ChunkWindow {
  readonly #bytesMax: number
  /** In order, without gaps; the last one has number `#pushed - 1`. */
  #chunks: NumberedChunk[] = []
  #pushed = 0
  /** Number of the next chunk to send. */
  #unsent = 0
  #bytes = 0
  #acknowledgedBytes = 0
  /** Fence before the first chunk of `#chunks`. */
  #fence: Uint8Array | undefined

  /** `fence`: after which the transfer begins; undefined = at the beginning of the keyspace. */
  constructor(bytesMax: number, fence: Uint8Array | undefined) {
    this.#bytesMax = bytesMax
    this.#fence = fence
  }

  /** Chunks that were taken from the source. */
  get pushed(): number {
    return this.#pushed
  }

  get acknowledgedChunks(): number {
    return this.#pushed - this.#chunks.length
  }

  get acknowledgedBytes(): number {
    return this.#acknowledgedBytes
  }

  /** The receiver has to take something before more is read. One chunk always fits. */
  get isFull(): boolean {
    return this.#bytes >= this.#bytesMax
  }

  push(chunk: SnapshotChunk): void {
    this.#chunks.push({ bytes: chunk.bytes, fence: chunk.fence, number: this.#pushed++ })
    this.#bytes += chunk.bytes.length
  }

  /** The next chunk to send; `markSent` moves on. */
  get next(): NumberedChunk | undefined {
    return this.#chunks[this.#unsent - this.acknowledgedChunks]
  }

  markSent(): void {
    this.#unsent++
  }

  /** The receiver has taken everything up to `number`. False if that was never sent. */
  acknowledge(number: number): boolean {
    if (number >= this.#pushed) return false
    const taken = this.#chunks.splice(0, Math.max(0, number + 1 - this.acknowledgedChunks))
    for (const { bytes, fence } of taken) {
      this.#bytes -= bytes.length
      this.#acknowledgedBytes += bytes.length
      this.#fence = fence
    }
    this.#unsent = Math.max(this.#unsent, number + 1)
    return true
  }

  /** The next chunk to send is the one after this fence. False if that place lies outside of what is kept. */
  rewindAfter(fence: Uint8Array | undefined): boolean {
    if (isSameFence(fence, this.#fence)) {
      this.#unsent = this.acknowledgedChunks
      return true
    }
    const chunk = this.#chunks.find(kept => isSameFence(kept.fence, fence))
    if (chunk === undefined) return false
    this.#unsent = chunk.number + 1
    return true
  }
}

function isSameFence(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b)
}
