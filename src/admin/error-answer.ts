import { errorToPlain, QuorateError, toJson } from '../model/index.ts'

const STATUS: Partial<Record<QuorateError['code'], number>> = {
  malformed_request: 400,
  invalid_argument: 400,
  unauthenticated: 401,
  permission_denied: 403,
  not_found: 404,
  method_not_allowed: 405,
  not_leader: 409,
  timeout: 504,
  internal: 500,
}

/** The answer of the admin port to an error: its plain form as JSON. */
export function errorAnswer(error: QuorateError, headers: Readonly<Record<string, string>> = {}): Response {
  const status = STATUS[error.code] ?? (error.retryable ? 503 : 500)
  return new Response(toJson(errorToPlain(error)), {
    status,
    headers: { 'content-type': 'application/json', ...headers },
  })
}

/** @param allow the methods of the path */
export function notAllowed(allow: string): Response {
  return errorAnswer(new QuorateError('method_not_allowed', `this path understands ${allow}`), { allow })
}
