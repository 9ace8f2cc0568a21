import { addDigest, compareBytes, zeroDigest } from '../encoding/index.ts'
import type { Digest64 } from '../encoding/index.ts'
import { mapKey } from './changes.ts'
import { KeyOrder } from './key-order.ts'
import type { RecordReader, RecordStore, RecordVisitor, StoredMetadata, StoredRecord } from './record-store.ts'

type PrivateChanges = Map<string, { key: Uint8Array; record: StoredRecord | undefined }>

/**
 * Changes in memory over a state that does not change: where log entries are applied again to reach an older seq exactly, seen
 * by nobody else and emitting nothing. Bounded by the number of entries that may be replayed.
 */
export class PrivateStore implements RecordStore {
  readonly #base: RecordReader
  readonly #changed: PrivateChanges
  /** The changed keys in order, once a walk has asked for them. */
  #order: KeyOrder | undefined
  readonly #sum: Digest64 = zeroDigest()

  constructor(base: RecordReader, changed: PrivateChanges = new Map()) {
    this.#base = base
    this.#changed = changed
  }

  /** The same changes over another reader of the same base. */
  over(base: RecordReader): PrivateStore {
    return new PrivateStore(base, this.#changed)
  }

  get(key: Uint8Array): StoredRecord | undefined {
    const changed = this.#changed.get(mapKey(key))
    return changed === undefined ? this.#base.get(key) : changed.record
  }

  metadata(key: Uint8Array): StoredMetadata | undefined {
    const changed = this.#changed.get(mapKey(key))
    return changed === undefined ? this.#base.metadata(key) : changed.record
  }

  walk(start: Uint8Array, end: Uint8Array | undefined, reverse: boolean, visit: RecordVisitor): void {
    const own = this.#ownKeys(start, end)
    if (reverse) own.reverse()
    let next = 0
    let goesOn = true
    const isBefore = (a: Uint8Array, b: Uint8Array): boolean =>
      reverse ? compareBytes(a, b) > 0 : compareBytes(a, b) < 0
    const visitOwn = (key: Uint8Array): boolean => {
      const record = this.#changed.get(mapKey(key))?.record
      return record === undefined || visit(key, record, () => record.value)
    }
    this.#base.walk(start, end, reverse, (key, metadata, value) => {
      while (goesOn && next < own.length && isBefore(own[next]!, key)) goesOn = visitOwn(own[next++]!)
      if (!goesOn) return false
      if (next < own.length && compareBytes(own[next]!, key) === 0) goesOn = visitOwn(own[next++]!)
      else goesOn = visit(key, metadata, value)
      return goesOn
    })
    while (goesOn && next < own.length) goesOn = visitOwn(own[next++]!)
  }

  countRecords(space: Uint8Array): number | undefined {
    let count = this.#base.countRecords?.(space)
    if (count === undefined) return undefined
    for (const { key, record } of this.#changed.values()) {
      if (key.length < space.length || compareBytes(key.subarray(0, space.length), space) !== 0) continue
      count += (record === undefined ? 0 : 1) - (this.#base.metadata(key) === undefined ? 0 : 1)
    }
    return count
  }

  /** Writes need no page; the reads before them have met the cold ones. */
  prepare(keys: readonly Uint8Array[]): void {
    for (const key of keys) if (!this.#changed.has(mapKey(key))) this.#base.metadata(key)
  }

  put(
    key: Uint8Array,
    source: Uint8Array,
    start: number,
    end: number,
    seq: number,
    createdSeq: number,
    expiresAtMicros: number,
  ): void {
    this.#set(key, { value: source.slice(start, end), versionSeq: seq, createdSeq, expiresAtMicros })
  }

  delete(key: Uint8Array): void {
    this.#set(key, undefined)
  }

  patch(key: Uint8Array, offset: number, bytes: Uint8Array, _seq: number, delta: Digest64): void {
    const record = this.get(key)
    if (record === undefined) throw new RangeError('patch of a missing record')
    const value = record.value.slice()
    value.set(bytes, offset)
    this.#set(key, { ...record, value })
    addDigest(this.#sum, delta)
  }

  /** Nobody compares digests of a private state. */
  sum(): Digest64 {
    return { ...this.#sum }
  }

  #set(key: Uint8Array, record: StoredRecord | undefined): void {
    const id = mapKey(key)
    const changed = this.#changed.get(id)
    if (changed === undefined) {
      const own = key.slice()
      this.#changed.set(id, { key: own, record })
      this.#order?.add(own)
    } else changed.record = record
  }

  #ownKeys(start: Uint8Array, end: Uint8Array | undefined): Uint8Array[] {
    if (this.#order === undefined) {
      this.#order = new KeyOrder()
      for (const { key } of this.#changed.values()) this.#order.add(key)
    }
    return this.#order.range(start, end)
  }
}

/** A state without records. */
export const NO_RECORDS: RecordReader = {
  get: () => undefined,
  metadata: () => undefined,
  walk: () => undefined,
}
