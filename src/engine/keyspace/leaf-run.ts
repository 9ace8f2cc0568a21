import { copyUsed, keyLength, PageRef, payloadAt, payloadLength, readKey } from './page.ts'
import { HAS_EXPIRY, IS_LARGE, recordHeaderBytesOf, RecordRef } from './record.ts'

/** Copies are cut from blocks of so many pages: an array of its own costs more than to fill it. */
const BLOCK_PAGES = 8

/** The block that the next copies are cut from; it lives as long as the last of them. */
let block = new PageRef(0)

function cutPage(size: number): PageRef {
  if (block.size !== size || block.base === block.bytes.length) {
    const buffer = new ArrayBuffer(size * BLOCK_PAGES)
    block = new PageRef(size, new Uint8Array(buffer), new Uint32Array(buffer))
  }
  const page = new PageRef(size, block.bytes, block.words, block.view)
  page.base = block.base
  block.base += size
  return page
}

/** Neighbouring records of one leaf, copied with it: nobody else's page any more. */
export class LeafRun {
  readonly #page: PageRef
  readonly #record: RecordRef = new RecordRef()

  /** Copies the leaf. hot path (bench/gate): one copy of the page is less than a copy of each key and value. */
  constructor(leaf: PageRef) {
    this.#page = cutPage(leaf.size)
    copyUsed(this.#page, leaf)
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
