import { readU32 } from '../encoding/index.ts'
import type { EntryBatch } from '../encoding/index.ts'

/**
 * The newest entries in memory, as the batches that were appended, within a budget of bytes. Batches that are not written
 * to their file yet are never evicted, so every retained entry is readable from here or from the files.
 */
export class TailCache {
  readonly #budgetBytes: number
  #batches: EntryBatch[] = []
  #ioSeqs: number[] = []
  /** Evicted batches stay in the arrays up to here until it pays to move the rest. */
  #start = 0
  #bytes = 0

  constructor(budgetBytes: number) {
    this.#budgetBytes = budgetBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /** The first seq held; undefined if the cache is empty. */
  get firstSeq(): number | undefined {
    return this.#batches[this.#start]?.firstSeq
  }

  /** hot path: bench/log. `batch.bytes` is kept, not copied. */
  push(batch: EntryBatch, ioSeq: number, writtenIoSeq: number): void {
    this.#batches.push(batch)
    this.#ioSeqs.push(ioSeq)
    this.#bytes += batch.bytes.length
    this.trim(writtenIoSeq)
  }

  /** hot path: bench/log. What is above the budget goes, as far as it is written. */
  trim(writtenIoSeq: number): void {
    while (this.#bytes > this.#budgetBytes && this.#ioSeqs[this.#start]! <= writtenIoSeq) {
      this.#bytes -= this.#batches[this.#start]!.bytes.length
      this.#start++
    }
    if (this.#start > 64 && this.#start * 2 > this.#batches.length) {
      this.#batches = this.#batches.slice(this.#start)
      this.#ioSeqs = this.#ioSeqs.slice(this.#start)
      this.#start = 0
    }
  }

  truncateFrom(seq: number): void {
    while (this.#batches.length > this.#start && this.#batches.at(-1)!.lastSeq >= seq) {
      const batch = this.#batches.pop()!
      const ioSeq = this.#ioSeqs.pop()!
      this.#bytes -= batch.bytes.length
      if (batch.firstSeq >= seq) continue
      const bytes = batch.bytes.subarray(0, skipEntries(batch.bytes, 0, seq - batch.firstSeq))
      this.#batches.push({ firstSeq: batch.firstSeq, lastSeq: seq - 1, bytes })
      this.#ioSeqs.push(ioSeq)
      this.#bytes += bytes.length
    }
  }

  clear(): void {
    this.#batches = []
    this.#ioSeqs = []
    this.#start = 0
    this.#bytes = 0
  }

  /**
   * hot path: bench/cluster. Entries from `fromSeq` on, at least one and otherwise at most `maxBytes`; undefined if `fromSeq` is not
   * held. Batches are joined by copying them, as far as entries up to `throughSeq` are in them.
   */
  read(fromSeq: number, maxBytes: number, throughSeq: number = Infinity): EntryBatch | undefined {
    const first = this.#find(fromSeq)
    if (first === undefined) return undefined
    const head = this.#batches[first]!
    const skipped = fromSeq === head.firstSeq ? 0 : skipEntries(head.bytes, 0, fromSeq - head.firstSeq)
    const headBytes = head.bytes.length - skipped
    if (headBytes > maxBytes) return takeEntries(head.bytes, skipped, fromSeq, maxBytes)
    let count = 1
    let total = headBytes
    for (; first + count < this.#batches.length; count++) {
      const { firstSeq, bytes } = this.#batches[first + count]!
      if (firstSeq > throughSeq || total + bytes.length > maxBytes) break
      total += bytes.length
    }
    const lastSeq = this.#batches[first + count - 1]!.lastSeq
    if (count === 1)
      return { firstSeq: fromSeq, lastSeq, bytes: skipped === 0 ? head.bytes : head.bytes.subarray(skipped) }
    const bytes = new Uint8Array(total)
    bytes.set(head.bytes.subarray(skipped))
    for (let i = 1, at = headBytes; i < count; i++) {
      bytes.set(this.#batches[first + i]!.bytes, at)
      at += this.#batches[first + i]!.bytes.length
    }
    return { firstSeq: fromSeq, lastSeq, bytes }
  }

  #find(seq: number): number | undefined {
    let low = this.#start
    let high = this.#batches.length
    if (low === high || seq < this.#batches[low]!.firstSeq || seq > this.#batches[high - 1]!.lastSeq) return undefined
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#batches[middle]!.lastSeq < seq) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** The offset behind `count` entries from `at`. */
export function skipEntries(bytes: Uint8Array, at: number, count: number): number {
  let end = at
  for (let i = 0; i < count; i++) end += readU32(bytes, end)
  return end
}

/** At least one entry from `start` on, which has `firstSeq`; more as `maxBytes` allow. */
export function takeEntries(bytes: Uint8Array, start: number, firstSeq: number, maxBytes: number): EntryBatch {
  let end = start + readU32(bytes, start)
  let lastSeq = firstSeq
  while (end < bytes.length && end + readU32(bytes, end) - start <= maxBytes) {
    end += readU32(bytes, end)
    lastSeq++
  }
  return { firstSeq, lastSeq, bytes: bytes.subarray(start, end) }
}
