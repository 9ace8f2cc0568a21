import { createHash } from 'node:crypto'
import { ByteWriter } from '../../encoding/index.ts'
import { ImageReader } from '../keyspace/index.ts'
import { Layer } from '../layers.ts'

/** What two states that hold the same say alike, whatever their pages look like. */
export interface Parity {
  /** SHA-256 over all records in key order, 64 hexadecimal digits. */
  readonly all: string
  /** The same over what users have put there: catalog, grants, keys, rows, entries of indexes and events. Sessions and clocks change it not. */
  readonly data: string
  readonly records: number
  readonly dataRecords: number
}

const DATA: ReadonlySet<number> = new Set([
  Layer.catalog,
  Layer.grants,
  Layer.kv,
  Layer.rows,
  Layer.indexes,
  Layer.events,
  Layer.topics,
])

/** One record as a dump has it (docs/formats/dump.md). */
export interface LogicalRecord {
  readonly key: Uint8Array
  readonly versionSeq: number
  readonly createdSeq: number
  /** 0 = never. */
  readonly expiresAtMicros: number
  readonly value: Uint8Array
}

/** Sums records up, in key order. */
export class ParitySum {
  readonly #all = createHash('sha256')
  readonly #data = createHash('sha256')
  #records = 0
  #dataRecords = 0

  /** `bytes` = `encodeRecord` of the record with this key. */
  add(key: Uint8Array, bytes: Uint8Array): void {
    this.#records++
    this.#all.update(bytes)
    if (!DATA.has(key[0]!)) return
    this.#dataRecords++
    this.#data.update(bytes)
  }

  finish(): Parity {
    const [all, data] = [this.#all.digest('hex'), this.#data.digest('hex')]
    return { all, data, records: this.#records, dataRecords: this.#dataRecords }
  }
}

/** bytes16 key, u64 version, u64 created, u64 expiry, bytes32 value. */
export function encodeRecord({ key, versionSeq, createdSeq, expiresAtMicros, value }: LogicalRecord): Uint8Array {
  const writer = new ByteWriter(34 + key.length + value.length)
  writer.bytes16(key)
  writer.u64(versionSeq)
  writer.u64(createdSeq)
  writer.u64(expiresAtMicros)
  writer.bytes32(value)
  return writer.finish()
}

/** The records of a chunk of leaf images in which every value travels. */
export function* recordsOfChunk(chunk: Uint8Array): Generator<LogicalRecord> {
  const reader = new ImageReader(chunk)
  while (reader.nextImage()) {
    while (reader.nextRecord()) {
      const { versionSeq, createdSeq, expiresAtMicros, valueAt, valueBytes } = reader
      yield {
        key: reader.keyView.slice(),
        versionSeq,
        createdSeq,
        expiresAtMicros,
        value: reader.bytes.subarray(valueAt, valueAt + valueBytes),
      }
    }
  }
}
