import { QuorateError } from '../../model/index.ts'
import type { ReadRequest, ReadResult } from '../../model/index.ts'
import { KV_EXPIRY_PREFIX, kvKeyOfExpiry, kvPrefix, readU32BE, readU64BE } from '../layers.ts'
import { prefixEnd } from '../record-store.ts'
import { requireScope } from './reads.ts'
import type { ReadContext } from './reads.ts'

/** Expiry rows of one step. */
const STEP_ROWS = 4_096
const NO_KEY = new Uint8Array(0)

/**
 * How many keys a scope has, out of the count that the keyspace keeps, whatever their number. Only keys whose time is over and that no
 * tick has removed yet are looked at, to be left out: `step` goes on where the last one ended.
 */
export class KeyCount {
  readonly #context: ReadContext
  readonly #scopeId: number
  #from: Uint8Array = KV_EXPIRY_PREFIX
  #due = 0

  /** @throws QuorateError */
  constructor(context: ReadContext, request: Extract<ReadRequest, { type: 'count' }>) {
    const { id, projectId } = requireScope(context.catalog, request.project, request.scope)
    if (!context.access.mayUseKey('kvRead', projectId, id, NO_KEY, 0, 0)) {
      throw new QuorateError('permission_denied', 'keys are counted by who may read all of the scope')
    }
    this.#context = context
    this.#scopeId = id
  }

  /** The result, or undefined where there is more to look at. Throws `ColdPages`; then to be called again after the load. */
  step(): ReadResult | undefined {
    const { reader, timeMicros } = this.#context
    let seen = 0
    let isDone = true
    reader.walk(this.#from, prefixEnd(KV_EXPIRY_PREFIX), false, row => {
      if (readU64BE(row, 2) > timeMicros) return false
      if (seen++ === STEP_ROWS) {
        isDone = false
        return false
      }
      if (readU32BE(kvKeyOfExpiry(row), 1) === this.#scopeId) this.#due++
      this.#from = new Uint8Array(row.length + 1)
      this.#from.set(row)
      return true
    })
    if (!isDone) return undefined
    const records = reader.usage?.(kvPrefix(this.#scopeId)).records
    if (records === undefined) throw new QuorateError('internal', 'this view does not know what its spaces hold')
    return { type: 'count', keys: records - this.#due }
  }
}
