import type { FailedCondition } from '../encoding/index.ts'

/** Every error code that a caller can meet; stable, snake_case, the same on all doors (docs/reference/errors.md). */
export const ERROR_CODES = [
  // The request itself.
  'malformed_request',
  'unsupported_version',
  'invalid_name',
  'invalid_argument',
  'key_too_large',
  'value_too_large',
  'transaction_too_large',
  'frame_too_large',
  'too_many_connections',
  'method_not_allowed',
  // Who asks.
  'unauthenticated',
  'permission_denied',
  // What it names.
  'not_found',
  'project_not_found',
  'scope_not_found',
  'already_exists',
  'setting_not_found',
  'setting_out_of_range',
  'table_not_found',
  'column_not_found',
  'index_not_found',
  'row_not_found',
  // Rows.
  'duplicate_key',
  'unique_violation',
  'foreign_key_violation',
  'check_failed',
  'not_null_violation',
  'type_mismatch',
  'quota_exceeded',
  'catalog_limit',
  'memory_budget_exceeded',
  'migration_mismatch',
  // Queries.
  'invalid_query',
  'scan_bound_exceeded',
  'materialization_budget_exceeded',
  'invalid_cursor',
  // Preconditions.
  'assertion_failed',
  'conflict',
  'deadlock',
  'overflow',
  'underflow',
  'key_missing',
  'not_a_number',
  'idempotency_mismatch',
  // Sessions and time.
  'session_ended',
  'session_limit',
  'serial_out_of_window',
  'expired',
  'timeout',
  'aborted',
  'cancelled',
  'not_cancellable',
  // Reads.
  'seq_unavailable',
  'view_expired',
  'view_limit',
  'history_changed',
  'too_stale',
  // The service.
  'busy',
  'unavailable',
  'not_leader',
  'draining',
  'unjoined',
  'fenced',
  'closed',
  // The node.
  'directory_locked',
  'damaged',
  'seal_key_missing',
  'seal_key_wrong',
  'not_sealed',
  'untrusted_directory',
  'read_only',
  'storage_failed',
  'out_of_space',
  'address_unavailable',
  'configuration_invalid',
  'internal',
] as const
export type ErrorCode = (typeof ERROR_CODES)[number]

/** Whether the request changed anything: certainly not, certainly, or not to be known from here. */
export type Applied = 'no' | 'yes' | 'unknown'

/** Where the leader is believed to be. Hints of a lower term are worth less. */
export interface LeaderHint {
  nodeId: number
  clientAddress: string
  term: number
}

export interface ErrorDetail {
  /** Which assertion, read-set item or mutation, counted within its kind. */
  index?: number
  /** The version found instead of the expected one; 0 = absent. */
  actualSeq?: number
  /** Which condition of the transaction did not hold, what it wanted and what was found, for `assertion_failed`. */
  condition?: FailedCondition
  /** The window of seqs that can be read, for `seq_unavailable`. */
  oldestSeq?: number
  newestSeq?: number
  /** Names `file` and byte `offset`, for `damaged`. */
  file?: string
  offset?: number
}

/** Names a request for `Database.outcome`. */
export interface RequestReference {
  session: number
  serial: number
}

export interface QuorateErrorOptions {
  retryable?: boolean
  applied?: Applied
  leader?: LeaderHint
  detail?: ErrorDetail
  /** How long to wait before trying again, as the server suggests, in ms. */
  backoffMs?: number
  /** Set with `applied: 'unknown'` while the outcome can still be asked for. */
  reference?: RequestReference
  cause?: unknown
}

/** The one error type of the public surface. The server decides `retryable` and `applied`; a client has no tables of its own. */
export class QuorateError extends Error {
  override readonly name = 'QuorateError'
  readonly code: ErrorCode
  /** The same request may succeed later without being changed. */
  readonly retryable: boolean
  readonly applied: Applied
  readonly leader: LeaderHint | undefined
  readonly detail: ErrorDetail | undefined
  readonly backoffMs: number | undefined
  readonly reference: RequestReference | undefined

  constructor(code: ErrorCode, message: string, options: QuorateErrorOptions = {}) {
    super(message, { cause: options.cause })
    this.code = code
    this.retryable = options.retryable ?? false
    this.applied = options.applied ?? 'no'
    this.leader = options.leader
    this.detail = options.detail
    this.backoffMs = options.backoffMs
    this.reference = options.reference
  }
}

/** A transaction whose reads no longer hold, after its time or its attempts are used up. */
export class ConflictError extends QuorateError {
  constructor(message: string, options: Omit<QuorateErrorOptions, 'retryable'> = {}) {
    super('conflict', message, { ...options, retryable: true })
  }
}

export function isErrorCode(code: string): code is ErrorCode {
  return (ERROR_CODES as readonly string[]).includes(code)
}

/** A broken invariant: never caught on the way, fatal to the replica that meets it. `state` is dumped with it. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError'
  readonly state: unknown
  constructor(message: string, state?: unknown) {
    super(message)
    this.state = state
  }
}

/** Throws `InvariantError` unless `condition` holds. On in production. */
export function invariant(condition: boolean, message: string, state?: () => unknown): asserts condition {
  if (!condition) throw new InvariantError(message, state?.())
}

/** Refusals because of others: something that was read had changed, or an assertion did not hold. */
export const CONFLICT_CODES: ReadonlySet<string> = new Set(['conflict', 'assertion_failed'])
