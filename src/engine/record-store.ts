import type { Digest64 } from '../encoding/index.ts'
import type { SpaceUsage } from './keyspace/index.ts'

/** A record as a layer reads it. */
export interface StoredRecord {
  value: Uint8Array
  versionSeq: number
  createdSeq: number
  /** Leader time in us; 0 = never. */
  expiresAtMicros: number
}

/** All of a record but its value. */
export interface StoredMetadata {
  versionSeq: number
  createdSeq: number
  /** Leader time in us; 0 = never. */
  expiresAtMicros: number
}

/**
 * Sees a record of a walk; false ends the walk. `key` and the metadata are valid during the call only; `value` copies the value out.
 */
export type RecordVisitor = (key: Uint8Array, metadata: StoredMetadata, value: () => Uint8Array) => boolean

/** A record where it lies: valid until anything else of its reader is called. */
export interface RecordInPlace {
  readonly bytes: Uint8Array
  /** Where the value begins in `bytes`, and how long it is. */
  readonly valueAt: number
  readonly valueBytes: number
  readonly versionSeq: number
  readonly createdSeq: number
  readonly expiresAtMicros: number
}

/** A walk that is pulled. */
export interface RecordScan {
  /** Moves to the next record; false at the end. Throws `ColdPages`: called again after the load, it skips nothing. */
  next(): boolean
  /** Of the present record, valid until `next()`. */
  readonly key: Uint8Array
  /** The present record. Throws `ColdPages`; then it can be asked for again. */
  record(): RecordInPlace
}

/** Ordered records as the layers read them. All methods throw `ColdPages` where a page is not in memory. */
export interface RecordReader {
  /** As `get` without a copy, where the reader can. */
  peek?(key: Uint8Array): RecordInPlace | undefined
  /** What a space holds, given by the prefix of its keys. Absent where the reader does not know it without a walk. */
  usage?(space: Uint8Array): SpaceUsage
  /** As `walk` without copies, where the reader can (`openScan` serves all readers). */
  scan?(start: Uint8Array, end: Uint8Array | undefined, reverse: boolean): RecordScan
  get(key: Uint8Array): StoredRecord | undefined
  metadata(key: Uint8Array): StoredMetadata | undefined
  /** Visits the records of [start, end) in key order or in reverse; `end` undefined = to the last. */
  walk(start: Uint8Array, end: Uint8Array | undefined, reverse: boolean, visit: RecordVisitor): void
}

/** Records whose sizes are known without a walk. */
export interface SizedRecords extends RecordReader {
  usage(space: Uint8Array): SpaceUsage
  /** Bytes of a record's value; undefined = there is none. */
  valueBytes(key: Uint8Array): number | undefined
}

/** The records of the epoch that is being built. Changes are seen by reads at once. */
export interface RecordStore extends SizedRecords {
  /** Throws `ColdPages` unless all these keys can be written without reading from disk. */
  prepare(keys: readonly Uint8Array[]): void
  /** Writes the value `source[start, end)`, which is copied. `seq` is the entry that writes. */
  put(
    key: Uint8Array,
    source: Uint8Array,
    start: number,
    end: number,
    seq: number,
    createdSeq: number,
    expiresAtMicros: number,
  ): void
  delete(key: Uint8Array, seq: number): void
  /** Writes `source[start, end)` at `offset` of the value of a present record; `delta` is what the change adds to the digest of the layer. */
  patch(
    key: Uint8Array,
    offset: number,
    source: Uint8Array,
    start: number,
    end: number,
    seq: number,
    delta: Digest64,
  ): void
  /** Sum of the digests of all records, as of the last change. */
  sum(): Digest64
}

/**
 * Thrown by reads that meet pages which are not in memory. Not an error: whoever drives the work drops what it has collected,
 * awaits `load` and does it again.
 */
export class ColdPages extends Error {
  override readonly name = 'ColdPages'
  readonly load: () => Promise<void>
  readonly #urgency: Urgency | undefined

  /** `urgency`: of the reader that met them. */
  constructor(load: () => Promise<void>, urgency?: Urgency) {
    super('pages are not in memory')
    this.load = load
    this.#urgency = urgency
  }

  /** Does the work again, reading what is missing on this thread. */
  insist<T>(work: () => T): T {
    if (this.#urgency === undefined) return work()
    this.#urgency.isUrgent = true
    try {
      return work()
    } finally {
      this.#urgency.isUrgent = false
    }
  }
}

/** Whether a reader waits for the disk instead of throwing `ColdPages`. */
export interface Urgency {
  isUrgent: boolean
}

/**
 * Work that begins anew after each load needs all of its pages in memory at once. If it has not got through after so many loads, they may be
 * more than the budget keeps, and loading one may cost another: then it is made to get through.
 */
export const COLD_PATIENCE = 64

/** Runs `work` until it meets no cold page. For work that may wait; it must change nothing before it returns. */
export async function withLoading<T>(work: () => T): Promise<T> {
  let cold: ColdPages | undefined
  for (let loads = 0; ; loads++) {
    try {
      return loads < COLD_PATIENCE || cold === undefined ? work() : cold.insist(work)
    } catch (error) {
      if (!(error instanceof ColdPages)) throw error
      cold = error
    }
    await cold.load()
  }
}

/** The end of the range of all keys that start with `prefix`. The prefixes of layers are never all 0xFF. */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  const end = prefix.slice()
  for (let i = end.length - 1; i >= 0; i--) {
    if (end[i] === 0xff) continue
    end[i]!++
    return end.slice(0, i + 1)
  }
  throw new RangeError('a prefix of only 0xFF has no end')
}
