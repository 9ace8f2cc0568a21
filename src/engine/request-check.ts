import {
  checkEnvelope,
  EnvelopeCursor,
  isKeyOp,
  isTableOp,
  MalformedBytes,
  Op,
  REQUEST_HEADER_BYTES,
  requestCopy,
  requestEnvelopeStart,
  requestSerial,
  requestSession,
} from '../encoding/index.ts'
import type { ClusterSettings, ErrorCode, RequestRefusal } from '../model/index.ts'
import type { CallerAccess } from './access/index.ts'
import type { Catalog } from './catalog/index.ts'
import type { ClusterState } from './cluster-state.ts'
import { isMutant } from './mutants.ts'
import { Callers, deniedMutation, Namespaces } from './transaction/index.ts'

const CALLER_BYTES_MAX = 128
const IDEMPOTENCY_KEY_BYTES_MAX = 128

/**
 * What a sequencer refuses before it logs a request (DESIGN 7.3). Looks at the request's bytes and the small state in memory; reads
 * no keys and no clock. One for each state machine: it remembers the last caller and namespace.
 */
export class RequestCheck {
  readonly #cursor = new EnvelopeCursor()
  readonly #callers = new Callers()
  readonly #namespaces = new Namespaces()

  /** hot path: refuses what the request alone shows to be wrong, form and limits. It stands from `at` to the end. */
  check(request: Uint8Array, settings: ClusterSettings, at: number = 0): RequestRefusal | undefined {
    try {
      const start = requestEnvelopeStart(request, at, request.length)
      const callerBytes = start - at - REQUEST_HEADER_BYTES
      if (callerBytes < 1 || callerBytes > CALLER_BYTES_MAX) {
        return refusal('invalid_argument', 'a caller has 1 to 128 bytes')
      }
      this.#callers.at(request, at + REQUEST_HEADER_BYTES, start)
      if (requestSession(request, at) !== 0 && requestSerial(request, at) < 1) {
        return refusal('malformed_request', 'serials begin at 1')
      }
      if (request.length - start > settings.transactionBytesMax) {
        return refusal('transaction_too_large', `a transaction has at most ${settings.transactionBytesMax} bytes`)
      }
      checkEnvelope(this.#cursor, request, start, request.length)
      return checkLimits(this.#cursor, settings)
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error
      return refusal('malformed_request', error.message)
    }
  }

  /**
   * Whether catalog or permissions of the newest state refuse the request, which `check` has passed. Only for its first sending: a
   * copy may have been applied before, and then its first answer counts. What follows a change of the catalog in the same
   * envelope is judged by apply alone.
   */
  preflight(request: Uint8Array, state: ClusterState): RequestRefusal | undefined {
    if (requestCopy(request) !== 0 && !isMutant('preflight_answers_retries')) return undefined
    try {
      return this.#judge(request, state)
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error
      return refusal('malformed_request', error.message)
    }
  }

  #judge(request: Uint8Array, state: ClusterState): RequestRefusal | undefined {
    const start = requestEnvelopeStart(request, 0, request.length)
    const caller = this.#callers.at(request, REQUEST_HEADER_BYTES, start)
    const access = state.access.of(caller)
    const cursor = this.#cursor
    cursor.open(request, start, request.length)
    this.#namespaces.open(cursor)
    let mutation = -1
    while (cursor.next()) {
      if (cursor.op >= Op.kvSet) mutation++
      const detail = mutation < 0 ? undefined : { index: mutation, actualSeq: 0 }
      const refused =
        cursor.op >= Op.kvSet
          ? deniedMutation(cursor, this.#namespaces, state.catalog, access, caller)
          : this.#precondition(state.catalog, access)
      if (refused !== undefined) return refusal(refused.code, refused.message, detail)
      if (cursor.op === Op.ddl) return undefined
      const missing = this.#missing(state.catalog)
      if (missing !== undefined) return refusal(missing.code, missing.message, detail)
    }
    return undefined
  }

  /** The name that the item refers to in vain. */
  #missing(catalog: Catalog): RequestRefusal | undefined {
    const { op, namespace } = this.#cursor
    if (!isKeyOp(op) && !isTableOp(op)) return undefined
    const found = isKeyOp(op)
      ? this.#namespaces.resolve(namespace, catalog)
      : this.#namespaces.resolveTable(namespace, catalog)
    return 'code' in found ? refusal(found.code, found.message) : undefined
  }

  /** Groups of assertions and ranges are judged by apply. */
  #precondition(catalog: Catalog, access: CallerAccess): RequestRefusal | undefined {
    const { bytes, op, namespace, keyStart, keyEnd } = this.#cursor
    if (op === Op.readRange || (!isKeyOp(op) && !isTableOp(op))) return undefined
    const scope = this.#namespaces.resolve(namespace, catalog)
    if ('code' in scope) return refusal(scope.code, scope.message)
    if (isKeyOp(op)) {
      if (access.mayUseKey('kvRead', scope.projectId, scope.id, bytes, keyStart, keyEnd)) return undefined
      return refusal('permission_denied', 'no permission for this key')
    }
    const table = this.#namespaces.resolveTable(namespace, catalog)
    const tableId = 'code' in table ? 0 : table.id
    if (access.mayUseTable('tableRead', scope.projectId, scope.id, tableId)) return undefined
    return refusal('permission_denied', 'no permission to read this table')
  }
}

/** Whether an envelope has more than the settings allow; `cursor` has walked it to its end. */
export function checkLimits(cursor: EnvelopeCursor, settings: ClusterSettings): RequestRefusal | undefined {
  const { mutations, assertions, grouped, points, ranges, idempotencyStart, idempotencyEnd } = cursor
  const { mutationsMax, assertionsMax, readSetMax } = settings
  if (mutations > mutationsMax) return refusal('transaction_too_large', `at most ${mutationsMax} mutations`)
  if (assertions + grouped > assertionsMax)
    return refusal('transaction_too_large', `at most ${assertionsMax} assertions`)
  if (points + ranges > readSetMax) return refusal('transaction_too_large', `at most ${readSetMax} reads`)
  if (idempotencyEnd - idempotencyStart > IDEMPOTENCY_KEY_BYTES_MAX) {
    return refusal('invalid_argument', `an idempotency key has at most ${IDEMPOTENCY_KEY_BYTES_MAX} bytes`)
  }
  return undefined
}

function refusal(code: ErrorCode, message: string, detail?: RequestRefusal['detail']): RequestRefusal {
  return { code, message, ...(detail !== undefined && { detail }) }
}
