import type { KvEntry } from '../model/index.ts'
import { Cold } from './keyspace/index.ts'
import type { Cursor, LeafRun } from './keyspace/index.ts'
import type { OnCold } from './keyspace-store.ts'
import { isExpired, SCAN_BYTES_MAX } from './kv/index.ts'
import { KV_PREFIX_BYTES } from './layers.ts'

/** What a record counts in a scan's bytes besides its value. */
const RECORD_BYTES = 32
/** More than a leaf can have. */
const CELLS_MAX = 4096

/** How a scan goes through a scope. */
export interface EntriesWalk {
  readonly cursor: Cursor
  readonly limit: number
  readonly isReverse: boolean
  /** What expires at this leader time or before is gone. */
  readonly timeMicros: number
  readonly onCold: OnCold
}

/**
 * What a scan has found, as it was then. Whole leaves are copied, and a record is taken apart when somebody asks for it, so that a scan
 * costs no allocation for each record. The copies, and those next to them, stay in memory for as long as this is held.
 */
export class LocalEntries implements Iterable<KvEntry> {
  readonly #runs: LeafRun[] = []
  /** Of each entry where it lies: the number of its run times `CELLS_MAX`, and of its cell in it. */
  readonly #places: number[] = []
  /** Values that do not lie in their leaf, by number of the entry. */
  #large: Map<number, Uint8Array> | undefined
  #bytes = 0
  #more = false

  /** hot path (bench/gate) */
  constructor(walk: EntriesWalk) {
    const { cursor, limit, onCold } = walk
    for (;;) {
      const moved = cursor.next()
      if (moved instanceof Cold) {
        onCold(moved)
        continue
      }
      if (!moved) return
      if (this.#places.length >= limit || this.#bytes > SCAN_BYTES_MAX) {
        this.#more = true
        return
      }
      this.#takeLeaf(walk)
    }
  }

  /** Takes what the present leaf has, up to a large value, which is taken alone. */
  #takeLeaf({ cursor, limit, isReverse, timeMicros, onCold }: EntriesWalk): void {
    let leaf = cursor.copyLeaf()
    while (leaf instanceof Cold) {
      onCold(leaf)
      leaf = cursor.copyLeaf()
    }
    const { copy, first, count } = leaf
    const places = this.#places
    const base = (this.#runs.push(copy) - 1) * CELLS_MAX
    const step = isReverse ? -1 : 1
    let taken = 0
    for (; taken < count && places.length < limit && this.#bytes <= SCAN_BYTES_MAX; taken++) {
      const cell = first + step * taken
      const plain = copy.plainPayloadBytes(cell)
      if (plain >= 0) {
        this.#bytes += RECORD_BYTES + plain
        places.push(base + cell)
        continue
      }
      const record = copy.record(cell)
      if (record.isLarge && taken > 0) break
      if (isExpired(record, timeMicros)) continue
      if (record.isLarge) this.#takeValue(cursor, onCold)
      else this.#bytes += RECORD_BYTES + record.valueBytes
      places.push(base + cell)
      if (record.isLarge) return
    }
    cursor.skip(taken - 1)
  }

  #takeValue(cursor: Cursor, onCold: OnCold): void {
    let record = cursor.record
    while (record instanceof Cold) {
      onCold(record)
      record = cursor.record
    }
    this.#large ??= new Map()
    this.#large.set(this.length, record.value)
    this.#bytes += RECORD_BYTES + record.value.length
  }

  get length(): number {
    return this.#places.length
  }

  /** The limit, or a mebibyte, was reached before the end of the range. */
  get more(): boolean {
    return this.#more
  }

  key(index: number): Uint8Array {
    return this.#run(index).key(this.#cell(index), KV_PREFIX_BYTES)
  }

  value(index: number): Uint8Array {
    const record = this.#run(index).record(this.#cell(index))
    if (record.isLarge) return this.#large!.get(index)!
    return record.bytes.slice(record.valueAt, record.valueAt + record.valueBytes)
  }

  /** Bytes of the value. */
  valueBytes(index: number): number {
    return this.#large?.get(index)?.length ?? this.#run(index).valueBytes(this.#cell(index))
  }

  /** Undefined beyond the end. */
  at(index: number): KvEntry | undefined {
    if (index < 0 || index >= this.length) return undefined
    const { versionSeq, createdSeq, expiresAtMicros } = this.#run(index).record(this.#cell(index))
    return {
      key: this.key(index),
      value: this.value(index),
      seq: versionSeq,
      createdSeq,
      expiresAtMicros: expiresAtMicros === 0 ? undefined : expiresAtMicros,
    }
  }

  *[Symbol.iterator](): IterableIterator<KvEntry> {
    for (let index = 0; index < this.length; index++) yield this.at(index)!
  }

  #cell(index: number): number {
    return this.#places[index]! % CELLS_MAX
  }

  /** @throws RangeError where there is no entry `index` */
  #run(index: number): LeafRun {
    const place = this.#places[index]
    if (place === undefined) throw new RangeError(`there are ${this.length} entries, but not entry ${index}`)
    return this.#runs[Math.floor(place / CELLS_MAX)]!
  }
}
