import type { Digest64 } from '../encoding/index.ts'
import { Cold } from './keyspace/index.ts'
import type {
  Cursor,
  EpochWriter,
  Keyspace,
  Range,
  RecordMetadata,
  RecordRef,
  RecordView,
  SpaceUsage,
} from './keyspace/index.ts'
import { isMutant } from './mutants.ts'
import { ColdPages } from './record-store.ts'
import { StoredInPlace } from './record-scan.ts'
import type {
  RecordInPlace,
  SizedRecords,
  RecordScan,
  RecordStore,
  RecordVisitor,
  StoredRecord,
} from './record-store.ts'

/** What reads of the writer and of views have in common; a cold page is thrown as `ColdPages`, its load already begun. */
interface ColdReader {
  get(key: Uint8Array): RecordView | undefined | Cold
  metadata(key: Uint8Array): RecordMetadata | undefined | Cold
  peek?(key: Uint8Array): RecordRef | undefined | Cold
  cursor(range: Range): Cursor
  usage(space: Uint8Array): SpaceUsage
}

/** What to do about missing pages: throws `ColdPages` with their load begun, or reads them on this thread and returns. */
export type OnCold = (cold: Cold) => void

/** Records of a keyspace as layers read them. */
export class KeyspaceReader implements SizedRecords {
  readonly #reader: ColdReader
  readonly #onCold: OnCold

  constructor(reader: ColdReader, onCold: OnCold) {
    this.#reader = reader
    this.#onCold = onCold
  }

  get(key: Uint8Array): StoredRecord | undefined {
    for (;;) {
      const found = this.#reader.get(key)
      if (!(found instanceof Cold)) return found
      this.#onCold(found)
    }
  }

  /** hot path (bench/query) */
  peek(key: Uint8Array): RecordInPlace | undefined {
    if (this.#reader.peek === undefined) return this.#copied(key)
    for (;;) {
      const found = this.#reader.peek(key)
      if (found === undefined) return undefined
      if (!(found instanceof Cold)) return found.isLarge ? this.#copied(key) : found
      this.#onCold(found)
    }
  }

  usage(space: Uint8Array): SpaceUsage {
    return this.#reader.usage(space)
  }

  #copied(key: Uint8Array): RecordInPlace | undefined {
    const record = this.get(key)
    return record === undefined ? undefined : new StoredInPlace(record)
  }

  scan(start: Uint8Array, end: Uint8Array | undefined, reverse: boolean): RecordScan {
    return new KeyspaceScan(
      this.#reader.cursor(end === undefined ? { start, reverse } : { start, end, reverse }),
      this.#onCold,
    )
  }

  metadata(key: Uint8Array): RecordMetadata | undefined {
    for (;;) {
      const found = this.#reader.metadata(key)
      if (!(found instanceof Cold)) return found
      this.#onCold(found)
    }
  }

  valueBytes(key: Uint8Array): number | undefined {
    return this.metadata(key)?.valueBytes
  }

  walk(start: Uint8Array, end: Uint8Array | undefined, reverse: boolean, visit: RecordVisitor): void {
    const cursor = this.#reader.cursor(end === undefined ? { start, reverse } : { start, end, reverse })
    const value = (): Uint8Array => {
      for (;;) {
        const record = cursor.record
        if (!(record instanceof Cold)) return record.value
        this.#onCold(record)
      }
    }
    for (;;) {
      const moved = cursor.next()
      if (moved instanceof Cold) this.#onCold(moved)
      else if (!moved || !visit(cursor.keyInPlace, cursor.metadata, value)) return
    }
  }
}

/** A cursor whose cold pages are thrown or loaded on the way. hot path (bench/query) */
class KeyspaceScan implements RecordScan {
  readonly #cursor: Cursor
  readonly #onCold: OnCold

  constructor(cursor: Cursor, onCold: OnCold) {
    this.#cursor = cursor
    this.#onCold = onCold
  }

  next(): boolean {
    for (;;) {
      const moved = this.#cursor.next()
      if (!(moved instanceof Cold)) return moved
      this.#onCold(moved)
    }
  }

  get key(): Uint8Array {
    return this.#cursor.keyInPlace
  }

  record(): RecordInPlace {
    for (;;) {
      const cell = this.#cursor.cellInPlace()
      if (!(cell instanceof Cold) && !cell.isLarge) return cell
      const record = cell instanceof Cold ? cell : this.#cursor.record
      if (!(record instanceof Cold)) return new StoredInPlace(record)
      this.#onCold(record)
    }
  }
}

/** For work that can wait: it is given up, to be done again when the pages are there. */
export function loadLater(keyspace: Keyspace): OnCold {
  const urgency = { isUrgent: false }
  return cold => {
    if (urgency.isUrgent) return keyspace.loadSync(cold)
    const loading = keyspace.load(cold)
    loading.then(undefined, () => undefined) // a failure is reported to whoever awaits the load
    throw new ColdPages(() => loading, urgency)
  }
}

/** For embedded reads: this thread waits for the disk. */
export function loadNow(keyspace: Keyspace): OnCold {
  return cold => keyspace.loadSync(cold)
}

/** Changes what apply writes on its way, as if it had computed something else: a replica that drifts. */
export type AlterValue = (key: Uint8Array, value: Uint8Array) => Uint8Array

/** The epoch in the making. */
export class KeyspaceStore extends KeyspaceReader implements RecordStore {
  readonly #writer: EpochWriter
  readonly #keyspace: Keyspace
  readonly #onCold: OnCold

  /** `alterValue`: tests only. */
  constructor(keyspace: Keyspace, alterValue?: AlterValue) {
    const onCold = isMutant('cold_pages_read_at_once') ? loadNow(keyspace) : loadLater(keyspace)
    super(keyspace.writer, onCold)
    this.#keyspace = keyspace
    this.#writer = keyspace.writer
    this.#onCold = onCold
    if (alterValue === undefined) return
    const put = this.put.bind(this)
    this.put = (key, source, start, end, ...versions) => {
      const value = alterValue(key, source.subarray(start, end))
      put(key, value, 0, value.length, ...versions)
    }
  }

  prepare(keys: readonly Uint8Array[]): void {
    const cold = this.#writer.prepare(keys)
    if (cold !== undefined) this.#onCold(cold)
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
    this.#writer.putPart(key, source, start, end, seq, createdSeq, expiresAtMicros)
  }

  delete(key: Uint8Array): void {
    this.#writer.delete(key)
  }

  patch(
    key: Uint8Array,
    offset: number,
    source: Uint8Array,
    start: number,
    end: number,
    seq: number,
    delta: Digest64,
  ): void {
    this.#writer.patch(key, offset, source, start, end, seq, delta)
  }

  sum(): Digest64 {
    return this.#keyspace.digestS
  }
}
