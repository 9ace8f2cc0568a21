import {
  checkEnvelope,
  EnvelopeCursor,
  MalformedBytes,
  Op,
  readNamespaces,
  requestCopy,
  decodeRequestHeader,
} from '../encoding/index.ts'
import type { Namespace } from '../encoding/index.ts'
import type { ClusterSettings, ErrorCode, RequestRefusal } from '../model/index.ts'
import { utf8Bytes } from '../encoding/index.ts'
import type { ClusterState } from './cluster-state.ts'
import { isMutant } from './mutants.ts'

const cursor = new EnvelopeCursor()
const CALLER_BYTES_MAX = 128
const IDEMPOTENCY_KEY_BYTES_MAX = 128

/** Refuses what the request alone shows to be wrong: form and limits (DESIGN 7.3). */
export function checkRequest(request: Uint8Array, settings: ClusterSettings): RequestRefusal | undefined {
  try {
    const { caller, envelope, session, serial } = decodeRequestHeader(request)
    const callerBytes = utf8Bytes(caller).length
    if (callerBytes < 1 || callerBytes > CALLER_BYTES_MAX)
      return refusal('invalid_argument', 'a caller has 1 to 128 bytes')
    if (session !== 0 && serial < 1) return refusal('malformed_request', 'serials begin at 1')
    if (envelope.length > settings.transactionBytesMax) {
      return refusal('transaction_too_large', `a transaction has at most ${settings.transactionBytesMax} bytes`)
    }
    checkEnvelope(cursor, envelope, 0, envelope.length)
    return checkLimits(settings)
  } catch (error) {
    if (!(error instanceof MalformedBytes)) throw error
    return refusal('malformed_request', error.message)
  }
}

/** `cursor` has walked the envelope to its end. */
function checkLimits(settings: ClusterSettings): RequestRefusal | undefined {
  const { mutations, assertions, points, ranges, idempotencyStart, idempotencyEnd } = cursor
  const { mutationsMax, assertionsMax, readSetMax } = settings
  if (mutations > mutationsMax) return refusal('transaction_too_large', `at most ${mutationsMax} mutations`)
  if (assertions > assertionsMax) return refusal('transaction_too_large', `at most ${assertionsMax} assertions`)
  if (points + ranges > readSetMax) return refusal('transaction_too_large', `at most ${readSetMax} reads`)
  if (idempotencyEnd - idempotencyStart > IDEMPOTENCY_KEY_BYTES_MAX) {
    return refusal('invalid_argument', `an idempotency key has at most ${IDEMPOTENCY_KEY_BYTES_MAX} bytes`)
  }
  return undefined
}

function refusal(code: ErrorCode, message: string): RequestRefusal {
  return { code, message }
}

/**
 * Whether catalog or permissions of the newest state refuse the request. Only for its first sending: a copy may have been applied
 * before, and then its first answer counts. An envelope that changes the catalog itself is judged by apply alone.
 */
export function preflight(request: Uint8Array, state: ClusterState): RequestRefusal | undefined {
  if (requestCopy(request) !== 0 && !isMutant('preflight_answers_retries')) return undefined
  const { caller, envelope } = decodeRequestHeader(request)
  const access = state.access.of(caller)
  cursor.open(envelope, 0, envelope.length)
  const namespaces = readNamespaces(cursor)
  let hasDdl = false
  while (cursor.next()) {
    if (cursor.op === Op.ddl) {
      hasDdl = true
      if (!access.isAdmin) return refusal('permission_denied', 'this needs the admin permission')
      continue
    }
    if (hasDdl) return undefined
    const refused = checkItem(state, caller, namespaces[cursor.namespace]!)
    if (refused !== undefined) return refused
  }
  return undefined
}

function checkItem(state: ClusterState, caller: string, { project, scope }: Namespace): RequestRefusal | undefined {
  const found = state.catalog.project(project)
  if (found === undefined) return refusal('project_not_found', `there is no project ${project}`)
  const space = found.scopes.get(scope)
  if (space === undefined) return refusal('scope_not_found', `project ${project} has no scope ${scope}`)
  const { bytes, op, keyStart, keyEnd } = cursor
  if (op === Op.readRange) return undefined
  const type = op >= Op.kvSet ? 'kvWrite' : 'kvRead'
  if (state.access.of(caller).mayUseKey(type, found.id, space.id, bytes, keyStart, keyEnd)) return undefined
  return refusal('permission_denied', 'no permission for this key')
}
