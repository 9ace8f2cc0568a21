import type { Digest64 } from '../../encoding/index.ts'
import { addDigest, ByteReader, ByteWriter, digestBytes, subtractDigest, zeroDigest } from '../../encoding/index.ts'

/** What a space holds: a function of its records alone, so the same on all replicas whatever their pages are like. */
export interface SpaceUsage {
  readonly records: number
  /** Of all keys, without what every key of the space begins with, and of all values. */
  readonly bytes: number
}

/** The sum of record digests of one space, and what it holds. */
export interface SpaceDigest extends SpaceUsage {
  /** The first bytes of every key in the space. */
  readonly prefix: Uint8Array
  readonly digest: Digest64
}

/** A space that is kept, with what it held in the roots that are retained. */
interface KeptSpace {
  readonly prefix: Uint8Array
  digest: Digest64
  records: number
  bytes: number
  /** Seq of a root, then records and bytes from that root on; oldest first. Empty while nothing is known to have been different. */
  history: number[]
  /** It has changed since the newest root. */
  isChanged: boolean
}

/** Numbers of a root in a history. */
const STEP = 3
const NO_USAGE: SpaceUsage = { records: 0, bytes: 0 }

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
  #changed: KeptSpace[] = []
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

  /** hot path (bench/apply): the space has so many records and bytes more, or less. */
  count(space: SpaceDigest, records: number, bytes: number): void {
    const kept = space as KeptSpace
    if (!kept.isChanged) this.#beginChange(kept)
    kept.records += records
    kept.bytes += bytes
    this.records += records
  }

  #beginChange(space: KeptSpace): void {
    // What it has now, it has had in all roots so far.
    if (space.history.length === 0) space.history.push(0, space.records, space.bytes)
    space.isChanged = true
    this.#changed.push(space)
  }

  /**
   * What the spaces hold now is what they hold in a root of `seq`. It takes the place of the root of `replacedSeq`, if one is given; roots
   * before `oldestSeq` are gone.
   */
  rootAdded(seq: number, oldestSeq: number, replacedSeq?: number): void {
    for (const space of this.#changed) {
      const { history } = space
      const last = history[history.length - STEP]
      if (last === seq || last === replacedSeq) history.length -= STEP
      history.push(seq, space.records, space.bytes)
      forgetBefore(history, oldestSeq)
      space.isChanged = false
    }
    this.#changed.length = 0
  }

  /** What a space holds in the root of `seq`, which is retained. */
  usageAt(prefix: Uint8Array, seq: number): SpaceUsage {
    const space = this.#find(prefix)
    if (space === undefined) return NO_USAGE
    const { history } = space
    if (history.length === 0) return { records: space.records, bytes: space.bytes }
    let at = history.length - STEP
    while (at > 0 && history[at]! > seq) at -= STEP
    return { records: history[at + 1]!, bytes: history[at + 2]! }
  }

  /** What a space holds with all changes so far, published or not. */
  usageNow(prefix: Uint8Array): SpaceUsage {
    return this.#find(prefix) ?? NO_USAGE
  }

  /** All spaces that hold something now, or did in a root that is retained. */
  prefixes(): Uint8Array[] {
    return this.#entries.map(({ prefix }) => prefix)
  }

  /** Copies of all sums of spaces that have records, in the order in which the spaces first appeared. */
  list(): SpaceDigest[] {
    return this.#entries
      .filter(entry => entry.records > 0)
      .map(({ prefix, digest, records, bytes }) => ({ prefix, digest: { ...digest }, records, bytes }))
  }

  #find(prefix: Uint8Array): KeptSpace | undefined {
    const slot = this.#slot(prefix, prefix.length)
    const index = this.#table[slot]!
    return index === 0 ? undefined : this.#entries[index - 1]
  }

  /**
   * u32 count, then per space u16 length, prefix, u32 lo, u32 hi, u64 records, u64 bytes. A space without records is left out, unless its sum has
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
      writer.u64(space.bytes)
    }
    return writer.finish()
  }

  /** Replaces everything by what `encode` gave: of earlier roots nothing is known. */
  decode(encoded: Uint8Array): void {
    this.clear()
    this.#take(encoded)
    for (const entry of this.#entries) {
      entry.history.length = 0
      entry.isChanged = false
    }
    this.#changed.length = 0
  }

  /** As `decode`, of what the root of `seq` has; `older` is what `encode` gave at an earlier root, which is retained. */
  decodeBoth(encoded: Uint8Array, seq: number, older: Uint8Array, olderSeq: number): void {
    this.decode(older)
    this.replace(encoded)
    this.rootAdded(seq, olderSeq)
  }

  /** A root is about to be added that holds what `encode` gave, whatever there was before; what earlier roots hold stays known. */
  replace(encoded: Uint8Array): void {
    this.total.lo = 0
    this.total.hi = 0
    this.records = 0
    for (const entry of this.#entries) {
      if (!entry.isChanged) this.#beginChange(entry)
      entry.digest = zeroDigest()
      entry.records = 0
      entry.bytes = 0
    }
    this.#take(encoded)
  }

  #take(encoded: Uint8Array): void {
    const reader = new ByteReader(encoded)
    const count = reader.u32()
    for (let i = 0; i < count; i++) {
      const prefix = reader.bytes16().slice()
      const digest = { lo: reader.u32(), hi: reader.u32() }
      const entry = this.#entryOf(prefix, prefix.length)
      this.count(entry, reader.u64(), reader.u64())
      entry.digest = digest
      addDigest(this.total, digest)
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
    this.#changed = []
    this.#table = new Int32Array(64)
    this.#last = undefined
  }

  #entryOf(key: Uint8Array, length: number): KeptSpace {
    const slot = this.#slot(key, length)
    const index = this.#table[slot]!
    if (index !== 0) return this.#entries[index - 1]!
    const entry = {
      prefix: key.slice(0, length),
      digest: zeroDigest(),
      records: 0,
      bytes: 0,
      history: [],
      isChanged: false,
    }
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

/** Leaves the newest step at or before `seq`, and those after it. */
function forgetBefore(history: number[], seq: number): void {
  let gone = 0
  while (gone + STEP < history.length && history[gone + STEP]! <= seq) gone += STEP
  if (gone > 0) history.splice(0, gone)
}

function startsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  for (let i = 0; i < prefix.length; i++) if (key[i] !== prefix[i]) return false
  return true
}
