import { keyLength, PageRef, payloadAt, payloadLength, readKey } from './page.ts'
import { HAS_EXPIRY, IS_LARGE, recordHeaderBytesOf, RecordRef } from './record.ts'

/** Neighbouring records of one leaf, copied with it: nobody else's page any more. */
export class LeafRun {
  readonly #page: PageRef
  readonly #record: RecordRef = new RecordRef()

  /** Copies the leaf. hot path (bench/gate): one copy of the page is less than a copy of each key and value. */
  constructor(leaf: PageRef) {
    const bytes = leaf.bytes.slice(leaf.base, leaf.base + leaf.size)
    this.#page = new PageRef(leaf.size, bytes, new Uint32Array(bytes.buffer))
  }

  /** Bytes of the payload of cell `index` if it is an inline value without an expiry, otherwise -1. */
  plainPayloadBytes(index: number): number {
    const page = this.#page
    return (page.bytes[payloadAt(page, index)]! & (HAS_EXPIRY | IS_LARGE)) === 0 ? payloadLength(page, index) : -1
  }

  /** Bytes of the value of cell `index`; of a large one those of its pointer. */
  valueBytes(index: number): number {
    const page = this.#page
    const flags = page.bytes[payloadAt(page, index)]!
    return payloadLength(page, index) - recordHeaderBytesOf(flags)
  }

  /** Cell `index` taken apart; valid until the next call. Of a large value it has the pointer only. */
  record(index: number): RecordRef {
    this.#record.read(this.#page, index)
    return this.#record
  }

  /** The key of cell `index` without its first `skipped` bytes. */
  key(index: number, skipped: number): Uint8Array {
    // Four more: what is shorter than that is written as four bytes.
    const key = new Uint8Array(keyLength(this.#page, index) + 4)
    return key.slice(skipped, readKey(this.#page, index, key))
  }
}
