import { errorToPlain, QuorateError, STATUS_OF, toJson } from '../../model/index.ts'

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
export function unreadableBody(status: 400 | 408 | 429 | 431): string {
  const { backoffMs: _, ...body } = errorToPlain(unreadable(status))
  return toJson(body)
}

function unreadable(status: 400 | 408 | 429 | 431): QuorateError {
  switch (status) {
    case 400:
      return new QuorateError('malformed_request', 'this is no HTTP/1.1')
    case 408:
      return new QuorateError('timeout', 'the request did not come in time', { retryable: true })
    case 429:
      return new QuorateError('too_many_connections', 'the node has as many connections as it takes', {
        retryable: true,
      })
    case 431:
      return new QuorateError('frame_too_large', 'the headers of the request are too long')
    default:
      throw new RangeError(`status ${String(status satisfies never)}`)
  }
}
