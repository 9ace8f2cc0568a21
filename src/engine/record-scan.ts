import type { RecordInPlace, RecordReader, RecordScan, StoredMetadata, StoredRecord } from './record-store.ts'

/** Records that one walk of a reader without scans takes over. */
const WALK_RECORDS = 64

/** A copied record, read like one in place. */
export class StoredInPlace implements RecordInPlace {
  readonly bytes: Uint8Array
  readonly valueAt: number = 0
  readonly valueBytes: number
  readonly versionSeq: number
  readonly createdSeq: number
  readonly expiresAtMicros: number

  constructor({ value, versionSeq, createdSeq, expiresAtMicros }: StoredRecord) {
    this.bytes = value
    this.valueBytes = value.length
    this.versionSeq = versionSeq
    this.createdSeq = createdSeq
    this.expiresAtMicros = expiresAtMicros
  }
}

/** A scan of [start, end) of any reader. */
export function openScan(
  reader: RecordReader,
  start: Uint8Array,
  end: Uint8Array | undefined,
  reverse: boolean,
): RecordScan {
  return reader.scan?.(start, end, reverse) ?? new WalkedScan(reader, start, end, reverse)
}

/** The record under a key, of any reader. */
export function peekRecord(reader: RecordReader, key: Uint8Array): RecordInPlace | undefined {
  if (reader.peek !== undefined) return reader.peek(key)
  const record = reader.get(key)
  return record === undefined ? undefined : new StoredInPlace(record)
}

/** Pulls from a reader that only walks: some records a walk, and the next walk goes on behind them. */
class WalkedScan implements RecordScan {
  readonly #reader: RecordReader
  readonly #reverse: boolean
  #start: Uint8Array
  #end: Uint8Array | undefined
  readonly #records: { key: Uint8Array; record: StoredInPlace }[] = []
  #at = -1
  #isLast = false

  constructor(reader: RecordReader, start: Uint8Array, end: Uint8Array | undefined, reverse: boolean) {
    this.#reader = reader
    this.#start = start
    this.#end = end
    this.#reverse = reverse
  }

  next(): boolean {
    if (this.#at + 1 >= this.#records.length && !this.#isLast) this.#refill()
    if (this.#at + 1 >= this.#records.length) return false
    this.#at++
    return true
  }

  get key(): Uint8Array {
    return this.#records[this.#at]!.key
  }

  record(): RecordInPlace {
    return this.#records[this.#at]!.record
  }

  /** What a cold page interrupts is kept: the next call goes on behind it. */
  #refill(): void {
    this.#records.length = 0
    this.#at = -1
    let isFull = false
    this.#reader.walk(this.#start, this.#end, this.#reverse, (key, metadata, value) => {
      if (this.#records.length >= WALK_RECORDS) {
        isFull = true
        return false
      }
      this.#take(key.slice(), metadata, value())
      return true
    })
    this.#isLast = !isFull
  }

  #take(key: Uint8Array, { versionSeq, createdSeq, expiresAtMicros }: StoredMetadata, value: Uint8Array): void {
    this.#records.push({ key, record: new StoredInPlace({ value, versionSeq, createdSeq, expiresAtMicros }) })
    if (this.#reverse) this.#end = key
    else {
      this.#start = new Uint8Array(key.length + 1)
      this.#start.set(key)
    }
  }
}
