import { errorToPlain, QuorateError, toJson } from '../../model/index.ts'
import type { ErrorCode } from '../../model/index.ts'

/** The HTTP status of every error code. The body has the code itself, and whether the request may be sent again. */
export const STATUS_OF: Readonly<Record<ErrorCode, number>> = {
  malformed_request: 400,
  unsupported_version: 400,
  invalid_name: 400,
  invalid_argument: 400,
  key_too_large: 413,
  value_too_large: 413,
  transaction_too_large: 413,
  frame_too_large: 413,
  too_many_connections: 429,
  method_not_allowed: 405,
  unauthenticated: 401,
  permission_denied: 403,
  not_found: 404,
  project_not_found: 404,
  scope_not_found: 404,
  already_exists: 409,
  setting_not_found: 404,
  setting_out_of_range: 400,
  table_not_found: 404,
  column_not_found: 400,
  index_not_found: 404,
  row_not_found: 404,
  duplicate_key: 409,
  unique_violation: 409,
  foreign_key_violation: 409,
  check_failed: 422,
  not_null_violation: 422,
  type_mismatch: 422,
  quota_exceeded: 507,
  migration_mismatch: 409,
  invalid_query: 400,
  scan_bound_exceeded: 422,
  materialization_budget_exceeded: 422,
  invalid_cursor: 400,
  assertion_failed: 412,
  conflict: 409,
  deadlock: 409,
  overflow: 422,
  underflow: 422,
  key_missing: 422,
  not_a_number: 422,
  idempotency_mismatch: 422,
  session_ended: 409,
  session_limit: 429,
  serial_out_of_window: 409,
  expired: 504,
  timeout: 504,
  aborted: 499,
  cancelled: 503,
  not_cancellable: 409,
  seq_unavailable: 410,
  view_expired: 410,
  history_changed: 409,
  too_stale: 410,
  busy: 429,
  unavailable: 503,
  not_leader: 503,
  draining: 503,
  unjoined: 503,
  fenced: 503,
  closed: 503,
  directory_locked: 500,
  damaged: 500,
  seal_key_missing: 500,
  seal_key_wrong: 500,
  not_sealed: 500,
  untrusted_directory: 500,
  read_only: 403,
  storage_failed: 500,
  out_of_space: 507,
  configuration_mismatch: 500,
  configuration_invalid: 500,
  internal: 500,
}

/** The response to an error: {code, message, retryable, applied, leader, detail}. Never a stack. */
export function errorResponse(error: QuorateError, headers: Readonly<Record<string, string>> = {}): Response {
  const { backoffMs, ...body } = errorToPlain(error)
  // A seq that has not arrived here yet may be there in a moment; one that is gone stays gone.
  const status = error.code === 'seq_unavailable' && error.retryable ? 503 : STATUS_OF[error.code]
  const isPassing = error.retryable && (status === 429 || status === 503)
  return new Response(toJson(body), {
    status,
    headers: {
      'content-type': 'application/json',
      ...(isPassing && { 'retry-after': String(Math.max(1, Math.ceil(Number(backoffMs ?? 0) / 1000))) }),
      ...(status === 401 && { 'www-authenticate': 'Bearer' }),
      ...headers,
    },
  })
}

/** The body of the answer to what cannot be read as a request. */
export function unreadableBody(status: 400 | 408 | 431): string {
  const { backoffMs: _, ...body } = errorToPlain(unreadable(status))
  return toJson(body)
}

function unreadable(status: 400 | 408 | 431): QuorateError {
  switch (status) {
    case 400:
      return new QuorateError('malformed_request', 'this is no HTTP/1.1')
    case 408:
      return new QuorateError('timeout', 'the request did not come in time', { retryable: true })
    case 431:
      return new QuorateError('frame_too_large', 'the headers of the request are too long')
    default:
      throw new RangeError(`status ${String(status satisfies never)}`)
  }
}
