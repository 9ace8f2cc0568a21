import { QuorateError } from '../model/index.ts'
import { httpRequest, httpStream } from '../node/index.ts'
import type { HttpRequestOptions } from '../node/index.ts'
import type { Session } from './context.ts'

export interface AdminRequest {
  readonly method: HttpRequestOptions['method']
  readonly path: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** Of what takes as long as it takes, in place of the time for one request. */
  readonly timeoutMs?: number
}

/** Asks one node to do something; its answer's body. @throws QuorateError as the node says; `unavailable` without an answer */
export async function adminCall(session: Session, endpoint: string, path: string, body: unknown): Promise<string> {
  return await adminAnswer(session, endpoint, { method: 'POST', path, body })
}

/** The same with any method. */
export async function adminAnswer(session: Session, endpoint: string, asked: AdminRequest): Promise<string> {
  const { status, body: answer } = await httpRequest(requestOf(session, endpoint, asked)).catch((cause: unknown) => {
    throw silent(endpoint, cause)
  })
  if (status >= 300) throw errorOf(status, answer)
  return answer
}

/** An answer of any size, as it arrives. */
export async function adminStream(
  session: Session,
  endpoint: string,
  asked: AdminRequest,
): Promise<AsyncIterable<Uint8Array>> {
  const { status, parts } = await httpStream(requestOf(session, endpoint, asked)).catch((cause: unknown) => {
    throw silent(endpoint, cause)
  })
  if (status < 300) return whole(endpoint, parts)
  const chunks: Uint8Array[] = []
  for await (const part of parts) chunks.push(part)
  throw errorOf(status, Buffer.concat(chunks).toString('utf8'))
}

/** A connection that breaks says so by a code. */
async function* whole(endpoint: string, parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* parts
  } catch (cause) {
    throw new QuorateError('unavailable', `the connection to ${endpoint} broke`, { retryable: true, cause })
  }
}

function requestOf(
  session: Session,
  endpoint: string,
  { method, path, body, headers, timeoutMs = session.timeoutMs }: AdminRequest,
): HttpRequestOptions {
  return {
    method,
    url: `${schemeOf(session)}://${endpoint}${path}`,
    ...(session.tls !== undefined && { tls: session.tls }),
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...authorization(session),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    timeoutMs,
  }
}

function silent(endpoint: string, cause: unknown): QuorateError {
  const reason = cause instanceof Error ? shortReason(cause) : String(cause)
  return new QuorateError('unavailable', `${endpoint} does not answer: ${reason}`, { retryable: true, cause })
}

export function shortReason(error: Error): string {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : error.message
}

export function schemeOf({ tls }: Session): 'http' | 'https' {
  return tls === undefined ? 'http' : 'https'
}

export function authorization({ token }: Session): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` }
}

/** The error of an HTTP door: {code, message, retryable, applied} in its body. */
export function errorOf(status: number, body: string): QuorateError {
  try {
    const { code, message, retryable, applied } = JSON.parse(body) as Partial<QuorateError>
    if (code !== undefined && message !== undefined) {
      return new QuorateError(code, message, { retryable: retryable === true, ...(applied && { applied }) })
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  return new QuorateError('internal', `HTTP status ${status}`)
}
