import { compareBytes } from '../encoding/index.ts'
import type { Digest64 } from '../encoding/index.ts'
import { KeyOrder } from './key-order.ts'
import { equalKeys, KeyTable } from './key-table.ts'
import { isOfUsers } from './layers.ts'
import type { RecordReader, RecordStore, RecordVisitor, StoredMetadata, StoredRecord } from './record-store.ts'

const PUT = 0
const DELETE = 1
const PATCH = 2
const PREPARE = 3
/** Up to here a change is found by comparing; above by a table. */
const LINEAR_MAX = 8
/** Keys of so many changes are kept for the entries to come. */
const OWN_KEYS_MAX = 256

const NO_KEY = new Uint8Array(0)

interface Change {
  kind: number
  key: Uint8Array
  /** The value, or what a patch writes, is `source[start, end)`: mostly a piece of the batch, for which no view is made. */
  source: Uint8Array
  start: number
  end: number
  createdSeq: number
  expiresAtMicros: number
  /** Of a patch. */
  offset: number
  deltaLo: number
  deltaHi: number
}

/**
 * What one entry changes, collected before anything is written: a refusal or a cold page drops it, so that an entry is all or
 * nothing. Reads see the collected changes. One object serves all entries; its rows are reused.
 */
export class Changes implements RecordReader {
  readonly store: RecordStore
  /** Counts records of users that were put or deleted, by whatever entry: what rests on their sizes is good for as long as it stays. */
  userWrites = 0
  #seq = 0
  #count = 0
  readonly #rows: Change[] = []
  readonly #keys: Uint8Array[] = []
  /** Of the changes so far, once there are many. */
  readonly #index: KeyTable = new KeyTable()
  #isIndexed = false
  /** The changed keys in order, once a walk has asked for them. */
  #order: KeyOrder | undefined
  /** For the keys of an entry's changes, by their number: entries are like the one before in how many they have, and how long. */
  readonly #keptKeys: Uint8Array[] = []
  /** What was looked for last, and its row if it has one, while there are `#soughtIn` changes. */
  #sought: Uint8Array = NO_KEY
  #soughtRow: Change | undefined
  #soughtIn = -1
  readonly #delta: Digest64 = { lo: 0, hi: 0 }

  constructor(store: RecordStore) {
    this.store = store
  }

  get count(): number {
    return this.#count
  }

  /** hot path (bench/apply): an array for a key; the same one again until something is collected, and for a later entry. */
  keyOf(length: number): Uint8Array {
    const at = this.#count
    this.#sought = NO_KEY
    if (at >= OWN_KEYS_MAX) return new Uint8Array(length)
    const kept = this.#keptKeys[at]
    if (kept !== undefined && kept.length === length) return kept
    const key = new Uint8Array(length)
    // Changes without a key of here may lie in between.
    while (this.#keptKeys.length < at) this.#keptKeys.push(NO_KEY)
    this.#keptKeys[at] = key
    return key
  }

  /** Forgets everything collected; what follows is written by entry `seq`. */
  begin(seq: number): void {
    this.#seq = seq
    this.#count = 0
    if (this.#isIndexed) this.#index.clear()
    this.#isIndexed = false
    this.#sought = NO_KEY
    this.#order = undefined
  }

  get(key: Uint8Array): StoredRecord | undefined {
    const row = this.#find(key)
    if (row === undefined) return this.store.get(key)
    if (row.kind === DELETE) return undefined
    const { source, start, end, createdSeq, expiresAtMicros } = row
    return { value: source.subarray(start, end), versionSeq: this.#seq, createdSeq, expiresAtMicros }
  }

  metadata(key: Uint8Array): StoredMetadata | undefined {
    const row = this.#find(key)
    if (row === undefined) return this.store.metadata(key)
    if (row.kind === DELETE) return undefined
    return { versionSeq: this.#seq, createdSeq: row.createdSeq, expiresAtMicros: row.expiresAtMicros }
  }

  /**
   * Walks the state with what this entry has changed so far. Changes that are made during the walk are not seen by it. `visit` must
   * not be given more changes than it can bear to miss: collect first, change afterwards.
   */
  walk(start: Uint8Array, end: Uint8Array | undefined, reverse: boolean, visit: RecordVisitor): void {
    const own = this.#count === 0 ? NO_KEYS : this.#ownKeys(start, end)
    if (own.length === 0) this.store.walk(start, end, reverse, visit)
    else this.#walkMerged(start, end, reverse, visit, reverse ? own.reverse() : own)
  }

  #walkMerged(
    start: Uint8Array,
    end: Uint8Array | undefined,
    reverse: boolean,
    visit: RecordVisitor,
    own: readonly Uint8Array[],
  ): void {
    let next = 0
    let goesOn = true
    const visitOwn = (key: Uint8Array): boolean => {
      const record = this.get(key)
      return record === undefined || visit(key, record, () => record.value)
    }
    this.store.walk(start, end, reverse, (key, metadata, value) => {
      let order = 1
      while (goesOn && next < own.length) {
        order = reverse ? compareBytes(key, own[next]!) : compareBytes(own[next]!, key)
        if (order > 0) break
        goesOn = visitOwn(own[next++]!)
        if (order === 0) return goesOn
      }
      if (goesOn) goesOn = visit(key, metadata, value)
      return goesOn
    })
    while (goesOn && next < own.length) goesOn = visitOwn(own[next++]!)
  }

  /** Patches and preparations leave the record where it is, and its key is walked in the store. */
  #ownKeys(start: Uint8Array, end: Uint8Array | undefined): Uint8Array[] {
    if (this.#order === undefined) {
      this.#order = new KeyOrder()
      for (let i = 0; i < this.#count; i++) {
        const { kind, key } = this.#rows[i]!
        if (kind < PATCH) this.#order.add(key)
      }
    }
    return this.#order.range(start, end)
  }

  put(key: Uint8Array, value: Uint8Array, createdSeq: number = this.#seq, expiresAtMicros: number = 0): void {
    this.putPart(key, value, 0, value.length, createdSeq, expiresAtMicros)
  }

  /** hot path (bench/apply): as `put` of `source[start, end)`, which must stay as it is until the entry is written. */
  putPart(
    key: Uint8Array,
    source: Uint8Array,
    start: number,
    end: number,
    createdSeq: number,
    expiresAtMicros: number,
  ): void {
    const row = this.#rowFor(key)
    row.kind = PUT
    row.source = source
    row.start = start
    row.end = end
    row.createdSeq = createdSeq
    row.expiresAtMicros = expiresAtMicros
  }

  delete(key: Uint8Array): void {
    this.#rowFor(key).kind = DELETE
  }

  /** The record must exist, inline, and is neither read nor changed again within this entry. */
  patch(key: Uint8Array, offset: number, bytes: Uint8Array, delta: Digest64): void {
    const row = this.#append(key, true)
    row.kind = PATCH
    row.source = bytes
    row.start = 0
    row.end = bytes.length
    row.offset = offset
    row.deltaLo = delta.lo
    row.deltaHi = delta.hi
  }

  /** The record is written by whoever drives the entries, after this one: `commit` makes sure that this meets no cold page. */
  prepare(key: Uint8Array): void {
    this.#append(key, true).kind = PREPARE
  }

  /**
   * Each record of users that the entry has put or deleted so far, with how much longer its value has become; `records` is 1 for a new one, -1
   * for one that goes and 0 for a changed one. Throws `ColdPages`.
   */
  eachSize(visit: (key: Uint8Array, records: number, valueBytes: number) => void): void {
    for (let i = 0; i < this.#count; i++) {
      const { kind, key, start, end } = this.#rows[i]!
      if (kind >= PATCH || !isOfUsers(key)) continue
      const before = this.store.valueBytes(key)
      const after = kind === PUT ? end - start : undefined
      if (before === undefined && after === undefined) continue
      visit(key, (after === undefined ? 0 : 1) - (before === undefined ? 0 : 1), (after ?? 0) - (before ?? 0))
    }
  }

  /** Writes everything, or throws `ColdPages` before the first write. */
  commit(): void {
    const count = this.#count
    if (count === 0) return
    const keys = this.#keys
    if (keys.length !== count) keys.length = count
    for (let i = 0; i < count; i++) keys[i] = this.#rows[i]!.key
    this.store.prepare(keys)
    for (let i = 0; i < count; i++) this.#write(this.#rows[i]!)
  }

  #write(row: Change): void {
    const seq = this.#seq
    if (isOfUsers(row.key)) this.userWrites++
    if (row.kind === PUT) {
      this.store.put(row.key, row.source, row.start, row.end, seq, row.createdSeq, row.expiresAtMicros)
    } else if (row.kind === DELETE) this.store.delete(row.key, seq)
    else if (row.kind === PATCH) {
      this.#delta.lo = row.deltaLo
      this.#delta.hi = row.deltaHi
      this.store.patch(row.key, row.offset, row.source, row.start, row.end, seq, this.#delta)
    }
  }

  #find(key: Uint8Array): Change | undefined {
    const count = this.#count
    if (count === 0) return undefined
    if (key === this.#sought && count === this.#soughtIn) return this.#soughtRow
    const row = this.#search(key, count)
    this.#sought = key
    this.#soughtIn = count
    this.#soughtRow = row
    return row
  }

  #search(key: Uint8Array, count: number): Change | undefined {
    if (this.#isIndexed) {
      const at = this.#index.find(key)
      return at < 0 ? undefined : this.#rows[at]
    }
    for (let i = 0; i < count; i++) {
      const row = this.#rows[i]!
      if (row.kind < PATCH && equalKeys(row.key, key)) return row
    }
    return undefined
  }

  #rowFor(key: Uint8Array): Change {
    return this.#find(key) ?? this.#append(key, false)
  }

  /** What is `isApart` is no record of this entry's own: walks do not show it. */
  #append(key: Uint8Array, isApart: boolean): Change {
    const at = this.#count++
    let row = this.#rows[at]
    if (row === undefined) {
      row = newChange(key)
      this.#rows.push(row)
    }
    row.key = key
    if (!isApart) {
      this.#order?.add(key)
      if (this.#isIndexed) this.#index.add(key, at)
    }
    if (!this.#isIndexed && this.#count > LINEAR_MAX) this.#fillIndex(isApart ? at : this.#count)
    return row
  }

  #fillIndex(count: number): void {
    this.#isIndexed = true
    for (let i = 0; i < count; i++) {
      const { kind, key } = this.#rows[i]!
      // The last one has no kind yet.
      if (kind < PATCH || i === this.#count - 1) this.#index.add(key, i)
    }
  }
}

const NO_KEYS: Uint8Array[] = []

function newChange(key: Uint8Array): Change {
  const numbers = { createdSeq: 0, expiresAtMicros: 0, offset: 0, deltaLo: 0, deltaHi: 0 }
  return { kind: PUT, key, source: key, start: 0, end: 0, ...numbers }
}

/** A string of one character a byte, made at once: one that grows is hashed and compared the slow way. */
export function mapKey(key: Uint8Array): string {
  if (key.length <= MAP_KEY_PART) return String.fromCharCode(...key)
  let text = ''
  for (let at = 0; at < key.length; at += MAP_KEY_PART) {
    text += String.fromCharCode(...key.subarray(at, at + MAP_KEY_PART))
  }
  return text
}

const MAP_KEY_PART = 1_024
