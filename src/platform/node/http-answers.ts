import type { IncomingMessage, RequestListener } from 'node:http'

/** A request as a handler sees it. */
export interface HttpCall {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly authorization: string | undefined
  readonly isLoopback: boolean
  /** The whole body; rejects if it is longer than `bytesMax`. */
  readBody(bytesMax: number): Promise<Uint8Array>
}

export interface JsonAnswer {
  readonly status: number
  readonly body: unknown
}

/** A request listener out of a function that answers with JSON; it must not reject. */
export function jsonListener(answer: (call: HttpCall) => Promise<JsonAnswer>): RequestListener {
  return (request, response) => {
    const address = request.socket.remoteAddress ?? ''
    const call: HttpCall = {
      method: request.method ?? '',
      path: (request.url ?? '').split('?', 1)[0] ?? '',
      authorization: request.headers.authorization,
      isLoopback: address === '::1' || /^(::ffff:)?127\./.test(address),
      readBody: bytesMax => readBody(request, bytesMax),
    }
    void answer(call).then(({ status, body }) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
    })
  }
}

async function readBody(request: IncomingMessage, bytesMax: number): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request) {
    const bytes = chunk as Buffer
    length += bytes.length
    if (length > bytesMax) throw new RangeError(`a body of more than ${bytesMax} bytes`)
    chunks.push(bytes)
  }
  return Buffer.concat(chunks)
}
