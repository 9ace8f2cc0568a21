import { compareBytes } from '../../encoding/index.ts'
import { QuorateError } from '../../model/index.ts'
import type { KvEntry, ReadRequest, ReadResult } from '../../model/index.ts'
import type { CallerAccess } from '../access/index.ts'
import type { Catalog, Scope } from '../catalog/index.ts'
import { KV_PREFIX_BYTES, kvKey, kvPrefix } from '../layers.ts'
import { prefixEnd } from '../record-store.ts'
import type { RecordReader, StoredMetadata } from '../record-store.ts'
import { isMutant } from '../mutants.ts'
import { isExpired } from './expiry.ts'

/** A scan answers with at most this many bytes of keys and values, and one record more. */
export const SCAN_BYTES_MAX = 1_048_576
const NO_KEY = new Uint8Array(0)
const NO_VALUE = new Uint8Array(0)

/** What a read needs besides its request. */
export interface ReadContext {
  reader: RecordReader
  catalog: Catalog
  access: CallerAccess
  /** Keys that expire at this leader time or before are gone. */
  timeMicros: number
}

/** @throws QuorateError `project_not_found`, `scope_not_found` */
export function requireScope(catalog: Catalog, projectName: string, scopeName: string): Scope {
  const project = catalog.project(projectName)
  if (project === undefined) throw new QuorateError('project_not_found', `there is no project ${projectName}`)
  const scope = project.scopes.get(scopeName)
  if (scope === undefined) throw new QuorateError('scope_not_found', `${projectName} has no scope ${scopeName}`)
  return scope
}

/** Reads keys. Throws `ColdPages`. @throws QuorateError */
export function readKeys(context: ReadContext, request: Extract<ReadRequest, { type: 'get' }>): ReadResult {
  const scope = requireScope(context.catalog, request.project, request.scope)
  for (const key of request.keys) {
    if (context.access.mayUseKey('kvRead', scope.projectId, scope.id, key, 0, key.length)) continue
    throw new QuorateError('permission_denied', 'no permission to read this key')
  }
  return { type: 'get', entries: request.keys.map(key => readKey(context, scope, key)) }
}

function readKey({ reader, timeMicros }: ReadContext, scope: Scope, key: Uint8Array): KvEntry | undefined {
  const record = reader.get(kvKey(scope.id, key, 0, key.length))
  return record === undefined || isExpired(record, timeMicros) ? undefined : entryOf(key, record, record.value)
}

function entryOf(key: Uint8Array, record: StoredMetadata, value: Uint8Array): KvEntry {
  return {
    key,
    value,
    seq: record.versionSeq,
    createdSeq: record.createdSeq,
    expiresAtMicros: record.expiresAtMicros === 0 ? undefined : record.expiresAtMicros,
  }
}

/**
 * A scan under way: `step` goes on where a cold page stopped it, so that a long scan of cold pages does not begin again at
 * each.
 */
export class Scan {
  readonly #context: ReadContext
  readonly #request: Extract<ReadRequest, { type: 'scan' }>
  readonly #entries: KvEntry[] = []
  #from: Uint8Array
  #to: Uint8Array
  #bytes = 0
  #more = false

  /** @throws QuorateError */
  constructor(context: ReadContext, request: Extract<ReadRequest, { type: 'scan' }>) {
    const { catalog, access } = context
    const scope = requireScope(catalog, request.project, request.scope)
    if (!access.mayReadRange(scope.projectId, scope.id, request.start ?? NO_KEY, request.end)) {
      throw new QuorateError('permission_denied', 'no permission to read all keys of this range')
    }
    if (!Number.isSafeInteger(request.limit) || request.limit < 1) {
      throw new QuorateError('invalid_argument', 'the limit of a scan is at least 1')
    }
    this.#context = context
    this.#request = request
    const { start = NO_KEY, end } = request
    this.#from = kvKey(scope.id, start, 0, start.length)
    this.#to = end === undefined ? prefixEnd(kvPrefix(scope.id)) : kvKey(scope.id, end, 0, end.length)
  }

  /** The result. Throws `ColdPages`; then to be called again after the load. */
  step(): ReadResult {
    const { reader, timeMicros } = this.#context
    const { reverse = false, limit, keysOnly = false } = this.#request
    if (compareBytes(this.#from, this.#to) < 0) {
      reader.walk(this.#from, this.#to, reverse, (key, metadata, value) => {
        const isGone = isExpired(metadata, timeMicros) && !isMutant('expired_keys_in_scans')
        if (!isGone && (this.#entries.length === limit || this.#bytes > SCAN_BYTES_MAX)) {
          this.#more = true
          return false
        }
        if (!isGone) this.#take(key.slice(KV_PREFIX_BYTES), metadata, keysOnly ? NO_VALUE : value())
        this.#passed(key, reverse)
        return true
      })
    }
    return { type: 'scan', entries: this.#entries, more: this.#more }
  }

  #take(key: Uint8Array, metadata: StoredMetadata, value: Uint8Array): void {
    this.#entries.push(entryOf(key, metadata, value))
    this.#bytes += key.length + value.length
  }

  /** The walk goes on behind this key, should it be interrupted. */
  #passed(key: Uint8Array, reverse: boolean): void {
    if (reverse) {
      this.#to = key.slice()
      return
    }
    this.#from = new Uint8Array(key.length + 1)
    this.#from.set(key)
  }
}
