import { errorToPlain, QuorateError, STATUS_OF } from '../model/index.ts'
import type { ErrorCode } from '../model/index.ts'
import { json } from './json-answer.ts'

/** Where this port differs, whether the error is retryable or not. */
const OWN_STATUS: Partial<Record<ErrorCode, number>> = { not_leader: 409, timeout: 504 }

/** The answer of the admin port to an error: its plain form as JSON. 503 says that trying again may succeed. */
export function errorAnswer(error: QuorateError, headers: Readonly<Record<string, string>> = {}): Response {
  const status = OWN_STATUS[error.code] ?? (error.retryable ? 503 : STATUS_OF[error.code])
  return json(errorToPlain(error), status, headers)
}

/** @param allow the methods of the path */
export function notAllowed(allow: string): Response {
  return errorAnswer(new QuorateError('method_not_allowed', `this path understands ${allow}`), { allow })
}
