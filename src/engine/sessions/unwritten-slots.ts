import { addDigest, zeroDigest } from '../../encoding/index.ts'
import type { Digest64 } from '../../encoding/index.ts'
import type { RecordStore } from '../record-store.ts'
import { SLOT_BYTES } from './chunk.ts'

/** A copy of a chunk, with its key. */
export interface Chunk {
  readonly key: Uint8Array
  readonly bytes: Uint8Array
}

/**
 * Slots of one chunk that are in the copy and not yet in the record: the entries of a batch mostly use slot after slot of one chunk, which are
 * then written together. Whoever reads or removes chunk records, compares S or publishes calls `write` before.
 *
 * The entry that brings the first slot has prepared the chunk's key. Its page stays in memory until `write`, because both happen in
 * one turn: pages leave memory between batches only.
 */
export class UnwrittenSlots {
  readonly #store: RecordStore
  #chunk: Chunk | undefined
  /** Bytes of the chunk, and the seq of the last slot. */
  #from = 0
  #to = 0
  #seq = 0
  /** What the slots add to S. */
  readonly #delta = zeroDigest()

  constructor(store: RecordStore) {
    this.#store = store
  }

  /** hot path (bench/apply): whether slots of this copy wait, so that one more needs no preparation. */
  areOf(chunk: Chunk): boolean {
    return this.#chunk === chunk
  }

  /** hot path (bench/apply): entry `seq` has written the slot at `at` of the copy. All that wait are of one chunk. */
  add(chunk: Chunk, at: number, seq: number, delta: Digest64): void {
    if (this.#chunk === undefined) {
      this.#chunk = chunk
      this.#from = at
      this.#to = at + SLOT_BYTES
      this.#delta.lo = delta.lo
      this.#delta.hi = delta.hi
    } else {
      if (at < this.#from) this.#from = at
      if (at + SLOT_BYTES > this.#to) this.#to = at + SLOT_BYTES
      addDigest(this.#delta, delta)
    }
    this.#seq = seq
  }

  /** Writes what waits into its record. */
  write(): void {
    const chunk = this.#chunk
    if (chunk === undefined) return
    this.#chunk = undefined
    const from = this.#from
    this.#store.patch(chunk.key, from, chunk.bytes, from, this.#to, this.#seq, this.#delta)
  }
}
