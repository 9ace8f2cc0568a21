import { compareBytes } from '../../encoding/index.ts'
import type { RequestOptions } from '../consistency.ts'
import type { CoreRead, Entry, ScanOptions, TransactionKeyValue } from '../database.ts'
import type { KvEntry, ReadRequest } from '../reads.ts'
import { requireTtl } from './arguments.ts'
import { getResult } from './key-value-reads.ts'
import { mapKey, type OwnWrite, type OwnWrites } from './own-writes.ts'
import { PAGE_RECORDS, RecordCursor } from './record-cursor.ts'
import type { RangeTracker, ReadSetRecorder } from './read-set.ts'
import { scanRange, type ScanRange } from './scan-range.ts'
import type { Space } from './space.ts'

/** What a run of a transaction's body keeps: its view, its own writes and what it has read. */
export interface TransactionState {
  readonly readSet: ReadSetRecorder
  read(request: ReadRequest, options: RequestOptions | undefined): Promise<CoreRead>
  ownWrites(project: string, scope: string): OwnWrites
  write(project: string, scope: string, write: Omit<OwnWrite, 'position'>): void
}

/** A scope as a transaction sees it: its own writes over its view. */
export class CoreTransactionKeyValue<K, V> implements TransactionKeyValue<K, V> {
  readonly #transaction: TransactionState
  readonly #space: Space<K, V>

  constructor(transaction: TransactionState, space: Space<K, V>) {
    this.#transaction = transaction
    this.#space = space
  }

  async get(key: K, options?: RequestOptions): Promise<V | undefined> {
    const [record] = await this.#records([this.#space.encodeKey(key)], options)
    return record === undefined ? undefined : this.#space.values.decode(record.value)
  }

  async getMany(keys: readonly K[], options?: RequestOptions): Promise<(V | undefined)[]> {
    const encoded = keys.map(key => this.#space.encodeKey(key))
    const records = await this.#records(encoded, options)
    return records.map(record => (record === undefined ? undefined : this.#space.values.decode(record.value)))
  }

  async entry(key: K, options?: RequestOptions): Promise<Entry<K, V> | undefined> {
    const [record] = await this.#records([this.#space.encodeKey(key)], options)
    return record === undefined ? undefined : this.#space.decodeEntry(record)
  }

  set(key: K, value: V, options: { ttlMs?: number } = {}): void {
    const { project, scope } = this.#space
    const ttlMs = options.ttlMs === undefined ? undefined : requireTtl(options.ttlMs)
    // Copies: the caller may reuse its buffers before the commit.
    const copy = { key: this.#space.encodeKey(key).slice(), value: this.#space.encodeValue(value).slice(), ttlMs }
    this.#transaction.write(project, scope, copy)
  }

  delete(key: K): void {
    const { project, scope } = this.#space
    const encoded = this.#space.encodeKey(key).slice()
    this.#transaction.write(project, scope, { key: encoded, value: undefined, ttlMs: undefined })
  }

  /** Own writes as they are; the rest from the view, and into the read set. */
  async #records(keys: readonly Uint8Array[], options: RequestOptions | undefined): Promise<(KvEntry | undefined)[]> {
    const { project, scope } = this.#space
    const writes = this.#transaction.ownWrites(project, scope)
    const own = keys.map(key => writes.find(mapKey(key)))
    const others = keys.filter((_, index) => own[index] === undefined)
    let found: readonly (KvEntry | undefined)[] = []
    if (others.length > 0) {
      found = getResult(await this.#transaction.read({ type: 'get', project, scope, keys: others }, options))
      for (const [index, key] of others.entries()) {
        this.#transaction.readSet.point(project, scope, key, found[index]?.seq ?? 0)
      }
    }
    let next = 0
    return own.map(write => (write === undefined ? found[next++] : ownRecord(write)))
  }

  async *scan(options: ScanOptions<K> = {}): AsyncGenerator<Entry<K, V>, void, undefined> {
    const { project, scope } = this.#space
    const range = scanRange(this.#space, options)
    if (range.limit === 0) return
    const own = this.#transaction.ownWrites(project, scope).within(range)
    const tracker = this.#transaction.readSet.range(project, scope, range)
    // Own deletes hide records of the view, so the view may be read beyond the limit.
    const pageRecords = Math.min(PAGE_RECORDS, range.limit + own.length)
    const cursor = new RecordCursor(
      request => this.#transaction.read(request, options),
      project,
      scope,
      { ...range, limit: Infinity },
      pageRecords,
    )
    let left = range.limit
    for await (const record of mergeOwnWrites(cursor, own, range, tracker)) {
      yield this.#space.decodeEntry(record)
      if (--left === 0) return
    }
  }
}

/** The view's records with the own writes laid over them, in order. Tells `tracker` what a reader has come to see, step by step. */
async function* mergeOwnWrites(
  cursor: RecordCursor,
  own: readonly OwnWrite[],
  range: ScanRange,
  tracker: RangeTracker,
): AsyncGenerator<KvEntry, void, undefined> {
  const direction = range.reverse ? -1 : 1
  let ownAt = 0
  let record: KvEntry | undefined
  for (;;) {
    record ??= cursor.take()
    if (record === undefined && (await cursor.fill())) continue
    const write = own[ownAt]
    if (record === undefined && write === undefined) break
    const order = record === undefined ? 1 : write === undefined ? -1 : compareBytes(record.key, write.key) * direction
    if (record !== undefined && order < 0) {
      tracker.sawRecord(record.key, record.seq)
      yield record
      record = undefined
      continue
    }
    ownAt++
    const written = ownRecord(write!)
    if (written !== undefined) {
      tracker.sawOwnWrite(written.key)
      yield written
    }
    if (record !== undefined && order === 0) {
      // What the own write hides belongs to the range only once the reader has gone past it.
      tracker.sawRecord(record.key, record.seq)
      record = undefined
    }
  }
  tracker.sawEnd()
}

function ownRecord(write: OwnWrite): KvEntry | undefined {
  if (write.value === undefined) return undefined
  return { key: write.key, value: write.value.slice(), seq: 0, createdSeq: 0, expiresAtMicros: undefined }
}
