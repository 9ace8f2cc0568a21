import {
  decodeOutcome,
  MalformedBytes,
  plainCommitSeq,
  type MutationResult,
  type Outcome,
} from '../../encoding/index.ts'
import { formatToken } from '../consistency.ts'
import type { CommitResult, CoreOutcome } from '../database.ts'
import { ConflictError, isErrorCode, QuorateError, type Applied, type ErrorCode } from '../errors.ts'

/** Refusals after which the same request may succeed unchanged. */
const RETRYABLE: ReadonlySet<ErrorCode> = new Set(['conflict', 'expired', 'busy', 'session_limit', 'session_ended'])
/** Refusals that say nothing about an earlier copy of the request: it may have been applied before its session or slot went. */
const APPLIED_UNKNOWN: ReadonlySet<ErrorCode> = new Set(['session_ended', 'serial_out_of_window'])

const NO_RESULTS: readonly MutationResult[] = Object.freeze([])

/** The error that a refused outcome means; the same on every door. A code that this version does not know becomes `internal`. */
export function refusalError(refusal: Omit<Extract<Outcome, { status: 'refused' }>, 'status' | 'seq'>): QuorateError {
  const code = isErrorCode(refusal.code) ? refusal.code : 'internal'
  const message = code === refusal.code ? refusal.message : `${refusal.code}: ${refusal.message}`
  const applied: Applied = APPLIED_UNKNOWN.has(code) ? 'unknown' : 'no'
  const options = { applied, ...(refusal.detail !== undefined && { detail: { ...refusal.detail } }) }
  if (code === 'conflict') return new ConflictError(message, options)
  return new QuorateError(code, message, { ...options, retryable: RETRYABLE.has(code) })
}

/** What a commit resolves with. @throws QuorateError for a refused outcome; hot path: bench/facade */
export function commitResult(answer: CoreOutcome): CommitResult {
  const { outcome: bytes, historyId, durableSeq = Infinity } = answer
  const seq = plainCommitSeq(bytes)
  if (seq !== undefined) {
    const token = formatToken(historyId, seq)
    return { seq, token, results: NO_RESULTS, isDuplicate: false, isDurable: seq <= durableSeq }
  }
  const outcome = readOutcome(bytes)
  if (outcome.status === 'refused') throw refusalError(outcome)
  const { results, isDuplicate = false } = outcome
  return {
    seq: outcome.seq,
    token: formatToken(historyId, outcome.seq),
    results,
    isDuplicate,
    isDurable: outcome.seq <= durableSeq,
  }
}

/** @throws QuorateError `internal` for what is none */
export function readOutcome(bytes: Uint8Array): Outcome {
  try {
    return decodeOutcome(bytes)
  } catch (cause) {
    if (!(cause instanceof MalformedBytes)) throw cause
    throw new QuorateError('internal', 'the answer cannot be read', { applied: 'unknown', cause })
  }
}
