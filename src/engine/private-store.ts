import { addDigest, compareBytes, zeroDigest } from '../encoding/index.ts'
import type { Digest64 } from '../encoding/index.ts'
import { mapKey } from './changes.ts'
import { KeyOrder } from './key-order.ts'
import type { SpaceUsage } from './keyspace/index.ts'
import { spaceLength } from './layers.ts'
import type { SizedRecords, RecordStore, RecordVisitor, StoredMetadata, StoredRecord } from './record-store.ts'

/** What a space holds more, or less, than in the base. */
type SpaceChange = { -readonly [K in keyof SpaceUsage]: SpaceUsage[K] }

interface PrivateChanges {
  readonly records: Map<string, { key: Uint8Array; record: StoredRecord | undefined }>
  /** By the prefix of a space. */
  readonly spaces: Map<string, SpaceChange>
}

/**
 * Changes in memory over a state that does not change: where log entries are applied again to reach an older seq exactly, seen
 * by nobody else and emitting nothing. Bounded by the number of entries that may be replayed.
 */
export class PrivateStore implements RecordStore {
  readonly #base: SizedRecords
  readonly #changed: PrivateChanges
  /** The changed keys in order, once a walk has asked for them. */
  #order: KeyOrder | undefined
  readonly #sum: Digest64 = zeroDigest()
  /** Bytes of the base's values of keys that were prepared and are not changed yet; undefined = it has no such record. */
  readonly #prepared: Map<string, number | undefined> = new Map()

  constructor(base: SizedRecords, changed: PrivateChanges = { records: new Map(), spaces: new Map() }) {
    this.#base = base
    this.#changed = changed
  }

  /** The same changes over another reader of the same base. */
  over(base: SizedRecords): PrivateStore {
    return new PrivateStore(base, this.#changed)
  }

  get(key: Uint8Array): StoredRecord | undefined {
    const changed = this.#changed.records.get(mapKey(key))
    return changed === undefined ? this.#base.get(key) : changed.record
  }

  metadata(key: Uint8Array): StoredMetadata | undefined {
    const changed = this.#changed.records.get(mapKey(key))
    return changed === undefined ? this.#base.metadata(key) : changed.record
  }

  valueBytes(key: Uint8Array): number | undefined {
    const changed = this.#changed.records.get(mapKey(key))
    return changed === undefined ? this.#base.valueBytes(key) : changed.record?.value.length
  }

  walk(start: Uint8Array, end: Uint8Array | undefined, reverse: boolean, visit: RecordVisitor): void {
    const own = this.#ownKeys(start, end)
    if (reverse) own.reverse()
    let next = 0
    let goesOn = true
    const isBefore = (a: Uint8Array, b: Uint8Array): boolean =>
      reverse ? compareBytes(a, b) > 0 : compareBytes(a, b) < 0
    const visitOwn = (key: Uint8Array): boolean => {
      const record = this.#changed.records.get(mapKey(key))?.record
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

  usage(space: Uint8Array): SpaceUsage {
    const { records, bytes } = this.#base.usage(space)
    const change = this.#changed.spaces.get(mapKey(space)) ?? NO_USAGE
    return { records: records + change.records, bytes: bytes + change.bytes }
  }

  /** Writes need no page; the reads before them have met the cold ones. */
  prepare(keys: readonly Uint8Array[]): void {
    this.#prepared.clear()
    for (const key of keys) {
      const id = mapKey(key)
      if (!this.#changed.records.has(id)) this.#prepared.set(id, this.#base.valueBytes(key))
    }
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

  patch(
    key: Uint8Array,
    offset: number,
    source: Uint8Array,
    start: number,
    end: number,
    _seq: number,
    delta: Digest64,
  ): void {
    const record = this.get(key)
    if (record === undefined) throw new RangeError('patch of a missing record')
    const value = record.value.slice()
    value.set(source.subarray(start, end), offset)
    this.#set(key, { ...record, value })
    addDigest(this.#sum, delta)
  }

  /** Nobody compares digests of a private state. */
  sum(): Digest64 {
    return { ...this.#sum }
  }

  #set(key: Uint8Array, record: StoredRecord | undefined): void {
    const id = mapKey(key)
    const changed = this.#changed.records.get(id)
    const before = changed === undefined ? this.#prepared.get(id) : changed.record?.value.length
    this.#count(key, before, record?.value.length)
    if (changed === undefined) {
      const own = key.slice()
      this.#changed.records.set(id, { key: own, record })
      this.#order?.add(own)
    } else changed.record = record
  }

  /** Bytes of the value before and after a change; undefined = no record. */
  #count(key: Uint8Array, before: number | undefined, after: number | undefined): void {
    const length = spaceLength(key)
    const id = mapKey(key.subarray(0, length))
    let change = this.#changed.spaces.get(id)
    if (change === undefined) {
      change = { records: 0, bytes: 0 }
      this.#changed.spaces.set(id, change)
    }
    const keyBytes = key.length - length
    change.records += (after === undefined ? 0 : 1) - (before === undefined ? 0 : 1)
    change.bytes += (after === undefined ? 0 : keyBytes + after) - (before === undefined ? 0 : keyBytes + before)
  }

  #ownKeys(start: Uint8Array, end: Uint8Array | undefined): Uint8Array[] {
    if (this.#order === undefined) {
      this.#order = new KeyOrder()
      for (const { key } of this.#changed.records.values()) this.#order.add(key)
    }
    return this.#order.range(start, end)
  }
}

const NO_USAGE: SpaceUsage = { records: 0, bytes: 0 }

/** A state without records. */
export const NO_RECORDS: SizedRecords = {
  usage: () => NO_USAGE,
  valueBytes: () => undefined,
  get: () => undefined,
  metadata: () => undefined,
  walk: () => undefined,
}
