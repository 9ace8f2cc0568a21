import { QuorateError } from '../../model/index.ts'
import type { BodyShare } from './body-budget.ts'

/** What the listener knows of a request beyond its form. */
export interface HttpPeer {
  /** The request target as it came, before anything resolved or decoded parts of it. */
  target: string
  /** The client is on this machine. */
  isLoopback: boolean
  /** Where it comes from, without the port. */
  address?: string
}

/**
 * The whole body.
 * @throws QuorateError `frame_too_large`, without reading on, if it is longer than `bytesMax`; `busy` if all bodies together are too long;
 *   `aborted` if the client broke off
 */
export async function readBody(
  { request, share }: { request: Request; share: BodyShare },
  bytesMax: number,
): Promise<Uint8Array> {
  const announced = Number(request.headers.get('content-length') ?? 0)
  if (announced > bytesMax) throw tooLarge(bytesMax)
  if (request.body === null) return new Uint8Array(0)
  const reader = request.body.getReader() as ReadableStreamDefaultReader<Uint8Array>
  const parts: Uint8Array[] = []
  let length = 0
  for (;;) {
    const { done, value } = await reader.read().catch((cause: unknown) => {
      throw new QuorateError('aborted', 'the body ended early', { cause })
    })
    if (done) break
    length += value.length
    try {
      if (length > bytesMax) throw tooLarge(bytesMax)
      share.grow(value.length)
    } catch (error) {
      await reader.cancel().catch(() => undefined)
      throw error
    }
    parts.push(value)
  }
  const body = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    body.set(part, at)
    at += part.length
  }
  return body
}

function tooLarge(bytesMax: number): QuorateError {
  return new QuorateError('frame_too_large', `the body is longer than ${bytesMax} bytes`)
}

/** @throws QuorateError `malformed_request` */
export function bodyText(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch (cause) {
    throw new QuorateError('malformed_request', 'the body is not UTF-8', { cause })
  }
}

/** The token of `Authorization: Bearer TOKEN`. @throws QuorateError `unauthenticated` for other schemes */
export function bearerToken(request: Request): string | undefined {
  const header = request.headers.get('authorization')
  if (header === null) return undefined
  const match = /^Bearer ([^\s]+)$/i.exec(header)
  if (match === null) throw new QuorateError('unauthenticated', 'Authorization is `Bearer TOKEN`')
  return match[1]
}
