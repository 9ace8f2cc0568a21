import { compareBytes, prefixSuccessor, utf8Bytes } from '../encoding/index.ts'
import { QuorateError } from '../model/index.ts'
import type { KvEntry } from '../model/index.ts'
import type { Access, CallerAccess } from './access/index.ts'
import type { Catalog, Scope } from './catalog/index.ts'
import { Cold } from './keyspace/index.ts'
import type { Range, Cursor, RecordRef, RecordView } from './keyspace/index.ts'
import type { OnCold } from './keyspace-store.ts'
import { isExpired, requireScope } from './kv/index.ts'
import { KV_PREFIX_BYTES, kvKey, kvPrefix } from './layers.ts'
import { LocalEntries } from './local-entries.ts'
import { prefixEnd } from './record-store.ts'

export interface LocalScan {
  /** Only keys that begin with it. */
  prefix?: string | Uint8Array
  /** Inclusive. */
  start?: string | Uint8Array
  /** Exclusive. */
  end?: string | Uint8Array
  reverse?: boolean
  limit: number
}

/** The keys of one scope, read on the caller's thread. */
export interface LocalKeys {
  /** A copy of the value. @throws QuorateError `project_not_found`, `scope_not_found`, `permission_denied` */
  get(key: string | Uint8Array): Uint8Array | undefined
  /** @throws as `get` */
  entry(key: string | Uint8Array): KvEntry | undefined
  /** In key order. @throws as `get`; `invalid_argument` for a limit below 1 */
  scan(options: LocalScan): LocalEntries
}

/** Records of one state, where they lie. */
export interface RecordsInPlace {
  get(key: Uint8Array): RecordView | undefined | Cold
  /** The key is the first `length` bytes of `key`. */
  peek(key: Uint8Array, length: number): RecordRef | undefined | Cold
  cursor(range: Range): Cursor
}

/** What local reads read from. */
export interface LocalSource {
  /** Throws where nothing may be read any more. */
  records(): RecordsInPlace
  readonly catalog: Catalog
  readonly access: Access
  /** Keys that expire at this leader time or before are gone. */
  readonly timeMicros: number
  /** Reads what is missing on this thread. */
  readonly onCold: OnCold
  /** A read is over: what it has loaded is not needed any more. */
  done(): void
}

const FIRST_KEY_BYTES = 256
const NO_KEY = new Uint8Array(0)

/** hot path (bench/gate): names and permissions are looked up again only when they may have changed, and keys are written to one place. */
export class SourceKeys implements LocalKeys {
  readonly #source: LocalSource
  readonly #project: string
  readonly #scopeName: string
  readonly #caller: string
  #catalog: Catalog | undefined
  #allowed: Access | undefined
  #scope: Scope | undefined
  #access: CallerAccess | undefined
  /** The scope's prefix, and behind it the key that is being read. */
  #key: Uint8Array = new Uint8Array(KV_PREFIX_BYTES + FIRST_KEY_BYTES)

  constructor(source: LocalSource, project: string, scope: string, caller: string) {
    this.#source = source
    this.#project = project
    this.#scopeName = scope
    this.#caller = caller
  }

  get(key: string | Uint8Array): Uint8Array | undefined {
    const length = this.#place(key)
    const record = this.#find(length)
    if (record === undefined) return undefined
    const value = record.isLarge
      ? this.#large(length).value
      : record.bytes.slice(record.valueAt, record.valueAt + record.valueBytes)
    this.#source.done()
    return value
  }

  entry(key: string | Uint8Array): KvEntry | undefined {
    const length = this.#place(key)
    const record = this.#find(length)
    if (record === undefined) return undefined
    const { versionSeq, createdSeq, expiresAtMicros, value } = this.#large(length)
    this.#source.done()
    return {
      key: this.#key.slice(KV_PREFIX_BYTES, length),
      value,
      seq: versionSeq,
      createdSeq,
      expiresAtMicros: expiresAtMicros === 0 ? undefined : expiresAtMicros,
    }
  }

  scan(options: LocalScan): LocalEntries {
    const { limit, reverse = false } = options
    if (!Number.isSafeInteger(limit) || limit < 1) {
      throw new QuorateError('invalid_argument', 'the limit of a scan is at least 1')
    }
    const scope = this.#resolve()
    const { start, end } = boundsOf(options)
    if (!this.#access!.mayReadRange(scope.projectId, scope.id, start, end)) {
      throw new QuorateError('permission_denied', 'no permission to read all keys of this range')
    }
    const from = kvKey(scope.id, start, 0, start.length)
    const to = end === undefined ? prefixEnd(kvPrefix(scope.id)) : kvKey(scope.id, end, 0, end.length)
    const { timeMicros, onCold } = this.#source
    const cursor = this.#source.records().cursor({ start: from, end: to, reverse })
    const entries = new LocalEntries({ cursor, limit, isReverse: reverse, timeMicros, onCold })
    this.#source.done()
    return entries
  }

  /** Writes `key` behind the scope's prefix, after the check that it may be read; returns the length of both. */
  #place(key: string | Uint8Array): number {
    const scope = this.#resolve()
    const length = typeof key === 'string' ? this.#writeText(key) : this.#writeBytes(key)
    if (!this.#access!.mayUseKey('kvRead', scope.projectId, scope.id, this.#key, KV_PREFIX_BYTES, length)) {
      throw new QuorateError('permission_denied', 'no permission to read this key')
    }
    return length
  }

  #writeText(key: string): number {
    const { length } = key
    if (length > this.#key.length - KV_PREFIX_BYTES) return this.#writeBytes(utf8Bytes(key))
    const bytes = this.#key
    for (let i = 0; i < length; i++) {
      const unit = key.charCodeAt(i)
      if (unit > 0x7f) return this.#writeBytes(utf8Bytes(key))
      bytes[KV_PREFIX_BYTES + i] = unit
    }
    return KV_PREFIX_BYTES + length
  }

  #writeBytes(key: Uint8Array): number {
    const length = KV_PREFIX_BYTES + key.length
    if (length > this.#key.length) {
      const larger = new Uint8Array(2 * length)
      larger.set(this.#key.subarray(0, KV_PREFIX_BYTES))
      this.#key = larger
    }
    this.#key.set(key, KV_PREFIX_BYTES)
    return length
  }

  /** The record where it lies: valid until the next read of anything. */
  #find(length: number): RecordRef | undefined {
    const { onCold, timeMicros } = this.#source
    const records = this.#source.records()
    for (;;) {
      const found = records.peek(this.#key, length)
      if (found === undefined) return undefined
      if (!(found instanceof Cold)) return isExpired(found, timeMicros) ? undefined : found
      onCold(found)
    }
  }

  /** A record that is there, its value copied from wherever it lies. */
  #large(length: number): RecordView {
    const { onCold } = this.#source
    const records = this.#source.records()
    const key = this.#key.subarray(0, length)
    for (;;) {
      const found = records.get(key)
      if (!(found instanceof Cold)) return found!
      onCold(found)
    }
  }

  #resolve(): Scope {
    const { catalog, access } = this.#source
    if (access !== this.#allowed) {
      this.#access = access.of(this.#caller)
      this.#allowed = access
    }
    if (catalog !== this.#catalog) {
      this.#scope = requireScope(catalog, this.#project, this.#scopeName)
      this.#key.set(kvPrefix(this.#scope.id))
      this.#catalog = catalog
    }
    return this.#scope!
  }
}

/** The range that lies within prefix, start and end. */
function boundsOf(options: LocalScan): { start: Uint8Array; end: Uint8Array | undefined } {
  let start = bytesOf(options.start) ?? NO_KEY
  let end = bytesOf(options.end)
  const prefix = bytesOf(options.prefix)
  if (prefix === undefined) return { start, end }
  const after = prefixSuccessor(prefix)
  if (compareBytes(start, prefix) < 0) start = prefix
  if (after !== undefined && (end === undefined || compareBytes(after, end) < 0)) end = after
  return { start, end }
}

function bytesOf(key: string | Uint8Array | undefined): Uint8Array | undefined {
  return typeof key === 'string' ? utf8Bytes(key) : key
}
