import { digestBytes, digestToHex, mixInteger, zeroDigest, type Digest64 } from './digest.ts'

/**
 * Digest over (key, version) of the records of a range, in the order in which they were read (docs/formats/digest.md). The reader
 * of a transaction and apply, which reads the range again, must come to the same value. The empty range has digest zero.
 */
export class RangeDigest {
  readonly #digest: Digest64 = zeroDigest()
  #records = 0

  /** Records added so far. */
  get records(): number {
    return this.#records
  }

  /** Adds the record with key bytes[start, end) (without its space) and last change `seq`. */
  add(bytes: Uint8Array, start: number, end: number, seq: number): void {
    const digest = this.#digest
    digestBytes(digest, bytes, start, end, digest.lo, digest.hi)
    mixInteger(digest, seq)
    this.#records++
  }

  equals(lo: number, hi: number): boolean {
    return this.#digest.lo === lo && this.#digest.hi === hi
  }

  /** Sixteen hexadecimal digits: the `digest` of a RangeRead. */
  toHex(): string {
    return digestToHex(this.#digest)
  }
}

/** The digest of whole records, as a RangeRead carries it. */
export function rangeDigest(records: Iterable<{ key: Uint8Array; seq: number }>): string {
  const digest = new RangeDigest()
  for (const { key, seq } of records) digest.add(key, 0, key.length, seq)
  return digest.toHex()
}
