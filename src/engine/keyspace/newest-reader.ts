import { Cold } from './cold.ts'
import { Cursor } from './cursor.ts'
import type { Range } from './cursor.ts'
import { PageRef, searchPage } from './page.ts'
import { findLeaf, readMetadata, readRecord } from './point-reads.ts'
import type { Reader } from './reader.ts'
import type { RecordMetadata, RecordView } from './record.ts'
import { RecordRef } from './record.ts'
import type { SpaceUsage } from './spaces.ts'
import type { Storage } from './storage.ts'

/**
 * Reads of the newest published root, which nobody holds: each is of the root that is the newest when it is called, and no writer copies a
 * page because of it. Not to be used from the first change of an epoch to its publication.
 */
export class NewestReader implements Reader {
  readonly #storage: Storage
  readonly #ref: PageRef
  readonly #record: RecordRef = new RecordRef()

  constructor(storage: Storage) {
    this.#storage = storage
    this.#ref = new PageRef(storage.pageBytes)
  }

  get #root(): number {
    return this.#storage.roots.newest.page
  }

  get(key: Uint8Array): RecordView | undefined | Cold {
    return readRecord(this.#storage, this.#root, key, this.#ref)
  }

  metadata(key: Uint8Array): RecordMetadata | undefined | Cold {
    return readMetadata(this.#storage, this.#root, key, this.#ref)
  }

  /** hot path (bench/gate): the key is the first `length` bytes of `key`. */
  peek(key: Uint8Array, length: number = key.length): RecordRef | undefined | Cold {
    const ref = this.#ref
    const cold = findLeaf(this.#storage, this.#root, key, length, ref)
    if (cold !== undefined) return cold
    const index = searchPage(ref, key, length, 0)
    if (index < 0) return undefined
    this.#record.read(ref, index)
    return this.#record
  }

  has(key: Uint8Array): boolean | Cold {
    const found = this.metadata(key)
    return found instanceof Cold ? found : found !== undefined
  }

  usage(space: Uint8Array): SpaceUsage {
    return this.#storage.usageAt(space, this.#storage.roots.newest.seq)
  }

  /** To be walked before anything is written. */
  cursor(range: Range): Cursor {
    return new Cursor(this.#storage, { rootPage: this.#root, changes: 0 }, range)
  }
}
