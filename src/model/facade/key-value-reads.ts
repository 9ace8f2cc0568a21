import type { RequestOptions } from '../consistency.ts'
import type { CoreRead, Entry, KeyValueReader, ScanOptions } from '../database.ts'
import { QuorateError } from '../errors.ts'
import type { KvEntry, ReadRequest } from '../reads.ts'
import { rejected } from './arguments.ts'
import type { ReadSource } from './read-source.ts'
import { PAGE_RECORDS, RecordCursor, scanRequest, scanResult } from './record-cursor.ts'
import { scanRange } from './scan-range.ts'
import type { Space } from './space.ts'

export function getResult(read: CoreRead): readonly (KvEntry | undefined)[] {
  if (read.result.type !== 'get') throw new QuorateError('internal', `a get was answered by ${read.result.type}`)
  return read.result.entries
}

/** The reads of a scope. Errors of arguments reject, like those of the core. */
export class KeyValueReads<K, V> implements KeyValueReader<K, V> {
  readonly #space: Space<K, V>
  readonly #source: ReadSource
  readonly #firstValue: (read: CoreRead) => V | undefined

  constructor(space: Space<K, V>, source: ReadSource) {
    this.#space = space
    this.#source = source
    this.#firstValue = read => {
      const record = getResult(read)[0]
      return record === undefined ? undefined : space.values.decode(record.value)
    }
  }

  /** Hot path: bench/facade. */
  get(key: K, options?: RequestOptions): Promise<V | undefined> {
    try {
      return this.#source.read(this.#request([this.#space.encodeKey(key)]), options).then(this.#firstValue)
    } catch (error) {
      return rejected(error)
    }
  }

  async getMany(keys: readonly K[], options?: RequestOptions): Promise<(V | undefined)[]> {
    if (keys.length === 0) return []
    const request = this.#request(keys.map(key => this.#space.encodeKey(key)))
    const records = getResult(await this.#source.read(request, options))
    return records.map(record => (record === undefined ? undefined : this.#space.values.decode(record.value)))
  }

  async entry(key: K, options?: RequestOptions): Promise<Entry<K, V> | undefined> {
    const record = getResult(await this.#source.read(this.#request([this.#space.encodeKey(key)]), options))[0]
    return record === undefined ? undefined : this.#space.decodeEntry(record)
  }

  #request(keys: readonly Uint8Array[]): ReadRequest {
    return { type: 'get', project: this.#space.project, scope: this.#space.scope, keys }
  }

  async *scan(options: ScanOptions<K> = {}): AsyncGenerator<Entry<K, V>, void, undefined> {
    const space = this.#space
    const range = scanRange(space, options)
    if (range.limit === 0) return
    if (range.limit <= PAGE_RECORDS) {
      // What one read answers whole is one state without a view.
      const request = scanRequest(space.project, space.scope, range, range.limit)
      const { entries, more } = scanResult(await this.#source.read(request, options))
      if (!more || entries.length >= range.limit) {
        for (const record of entries) yield space.decodeEntry(record)
        return
      }
    }
    const pages = await this.#source.openPages(options)
    try {
      const cursor = new RecordCursor(request => pages.read(request), space.project, space.scope, range)
      while (await cursor.fill()) {
        for (let record = cursor.take(); record !== undefined; record = cursor.take()) yield space.decodeEntry(record)
      }
    } finally {
      pages.close()
    }
  }
}
