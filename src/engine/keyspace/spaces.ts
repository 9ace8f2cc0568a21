import type { Digest64 } from '../../encoding/index.ts'
import { addDigest, ByteReader, ByteWriter, digestBytes, subtractDigest, zeroDigest } from '../../encoding/index.ts'

/** The sum of record digests of one space, and how many records it has. */
export interface SpaceDigest {
  /** The first bytes of every key in the space. */
  prefix: Uint8Array
  digest: Digest64
  records: number
}

/** A space that is kept, with how many records it had in the roots that are retained. */
interface KeptSpace extends SpaceDigest {
  /** Seq of a root, and the records from that root on; oldest first. Empty while the number has not changed since the start. */
  counts: number[]
  /** The number has changed since the newest root. */
  isCountNew: boolean
}

/** How many leading bytes of a key name its space; supplied by the state machine. A pure function of the key. */
export type SpaceLength = (key: Uint8Array) => number

/**
 * Records whose digest is not the default one: slots patched in place, each of which counts as a record of its own. Supplied by
 * the state machine; scrub uses it too. Such a record must stay inline.
 */
export interface SlottedRecords {
  isSlotted(key: Uint8Array): boolean
  /** What the record with the value bytes[start, end) adds to S. */
  digest(out: Digest64, key: Uint8Array, bytes: Uint8Array, start: number, end: number): void
}

/**
 * S (DESIGN 7), kept incrementally: the sum mod 2^64 of all record digests, per space and in total. An open-addressing table,
 * because a put may not allocate.
 */
export class SpaceDigests {
  readonly total: Digest64 = zeroDigest()
  records = 0
  readonly slotted: SlottedRecords | undefined
  readonly #spaceLength: SpaceLength
  #entries: KeptSpace[] = []
  #recounted: KeptSpace[] = []
  #table: Int32Array = new Int32Array(64)
  #last: KeptSpace | undefined
  readonly #hash: Digest64 = zeroDigest()

  constructor(spaceLength: SpaceLength, slotted?: SlottedRecords) {
    this.#spaceLength = spaceLength
    this.slotted = slotted
  }

  /** hot path (bench/keyspace): the space of a key; use it before the next `decode` or `clear`. */
  of(key: Uint8Array): SpaceDigest {
    const length = Math.min(this.#spaceLength(key), key.length)
    const last = this.#last
    if (last !== undefined && last.prefix.length === length && startsWith(key, last.prefix)) return last
    const entry = this.#entryOf(key, length)
    this.#last = entry
    return entry
  }

  add(space: SpaceDigest, digest: Digest64): void {
    addDigest(space.digest, digest)
    addDigest(this.total, digest)
  }

  subtract(space: SpaceDigest, digest: Digest64): void {
    subtractDigest(space.digest, digest)
    subtractDigest(this.total, digest)
  }

  count(space: SpaceDigest, change: 1 | -1): void {
    if (!(space as KeptSpace).isCountNew) this.#recount(space as KeptSpace)
    space.records += change
    this.records += change
  }

  #recount(space: KeptSpace): void {
    // What it has now, it has had in all roots so far.
    if (space.counts.length === 0) space.counts.push(0, space.records)
    space.isCountNew = true
    this.#recounted.push(space)
  }

  /** All counts are those of a root of `seq` now; roots before `oldestSeq` are gone. */
  rootAdded(seq: number, oldestSeq: number): void {
    for (const space of this.#recounted) {
      const { counts } = space
      if (counts[counts.length - 2] === seq) counts.length -= 2
      counts.push(seq, space.records)
      while (counts.length > 2 && counts[2]! <= oldestSeq) counts.splice(0, 2)
      space.isCountNew = false
    }
    this.#recounted.length = 0
  }

  /** How many records a space has in the root of `seq`. Of roots from before the start it is the number of the newest of them. */
  recordsAt(prefix: Uint8Array, seq: number): number {
    const space = this.get(prefix) as KeptSpace | undefined
    if (space === undefined) return 0
    const { counts } = space
    if (counts.length === 0) return space.records
    let at = counts.length - 2
    while (at > 0 && counts[at]! > seq) at -= 2
    return counts[at + 1]!
  }

  /** Copies of all sums of spaces that have records, in the order in which the spaces first appeared. */
  list(): SpaceDigest[] {
    return this.#entries
      .filter(entry => entry.records > 0)
      .map(entry => ({ prefix: entry.prefix, digest: { ...entry.digest }, records: entry.records }))
  }

  get(prefix: Uint8Array): SpaceDigest | undefined {
    const slot = this.#slot(prefix, prefix.length)
    const index = this.#table[slot]!
    return index === 0 ? undefined : this.#entries[index - 1]
  }

  /**
   * u32 count, then per space u16 length, prefix, u32 lo, u32 hi, u64 records. A space without records is left out, unless its sum has
   * drifted: the total would not be that of the others any more.
   */
  encode(): Uint8Array {
    const writer = new ByteWriter(1024)
    const spaces = this.#entries.filter(({ records, digest }) => records > 0 || digest.lo !== 0 || digest.hi !== 0)
    writer.u32(spaces.length)
    for (const space of spaces) {
      writer.bytes16(space.prefix)
      writer.u32(space.digest.lo)
      writer.u32(space.digest.hi)
      writer.u64(space.records)
    }
    return writer.finish()
  }

  /** Replaces everything by what `encode` gave. */
  decode(bytes: Uint8Array): void {
    this.clear()
    const reader = new ByteReader(bytes)
    const count = reader.u32()
    for (let i = 0; i < count; i++) {
      const prefix = reader.bytes16().slice()
      const digest = { lo: reader.u32(), hi: reader.u32() }
      const records = reader.u64()
      const entry = this.#entryOf(prefix, prefix.length)
      entry.digest = digest
      entry.records = records
      addDigest(this.total, digest)
      this.records += records
    }
    reader.expectEnd()
  }

  /** Another one that knows the same spaces and has no records. */
  blank(): SpaceDigests {
    return new SpaceDigests(this.#spaceLength, this.slotted)
  }

  clear(): void {
    this.total.lo = 0
    this.total.hi = 0
    this.records = 0
    this.#entries = []
    this.#recounted = []
    this.#table = new Int32Array(64)
    this.#last = undefined
  }

  #entryOf(key: Uint8Array, length: number): KeptSpace {
    const slot = this.#slot(key, length)
    const index = this.#table[slot]!
    if (index !== 0) return this.#entries[index - 1]!
    const entry = { prefix: key.slice(0, length), digest: zeroDigest(), records: 0, counts: [], isCountNew: false }
    this.#entries.push(entry)
    this.#table[slot] = this.#entries.length
    if (this.#entries.length * 2 > this.#table.length) this.#rehash()
    return entry
  }

  #slot(key: Uint8Array, length: number): number {
    digestBytes(this.#hash, key, 0, length)
    const mask = this.#table.length - 1
    let slot = this.#hash.lo & mask
    for (;;) {
      const index = this.#table[slot]!
      if (index === 0) return slot
      const { prefix } = this.#entries[index - 1]!
      if (prefix.length === length && startsWith(key, prefix)) return slot
      slot = (slot + 1) & mask
    }
  }

  #rehash(): void {
    this.#table = new Int32Array(this.#table.length * 2)
    this.#entries.forEach((entry, i) => {
      this.#table[this.#slot(entry.prefix, entry.prefix.length)] = i + 1
    })
  }
}

function startsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  for (let i = 0; i < prefix.length; i++) if (key[i] !== prefix[i]) return false
  return true
}
