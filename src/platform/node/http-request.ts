import { request } from 'node:http'
import { request as secureRequest } from 'node:https'
import { createServer } from 'node:net'

export interface HttpAnswer {
  readonly status: number
  readonly body: string
}

export interface HttpRequestOptions {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** http://host:port/path or https: */
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly timeoutMs: number
  /** PEM texts, for https. */
  readonly tls?: { readonly authority?: string; readonly certificate?: string; readonly key?: string }
}

/** One HTTP exchange on a connection of its own. Rejects where there is no answer in time. */
export async function httpRequest(options: HttpRequestOptions): Promise<HttpAnswer> {
  const { status, parts } = await httpStream(options)
  const chunks: Uint8Array[] = []
  for await (const chunk of parts) chunks.push(chunk)
  return { status, body: Buffer.concat(chunks).toString('utf8') }
}

export interface HttpStream {
  readonly status: number
  /** The body as it arrives; no more is taken from the connection than is asked for. Ends with an error where the connection does. */
  readonly parts: AsyncIterable<Uint8Array>
}

/** As `httpRequest`, for bodies of any size: `timeoutMs` is the longest time without any bytes. */
export function httpStream(options: HttpRequestOptions): Promise<HttpStream> {
  const { method, url, headers, body, timeoutMs, tls = {} } = options
  const secrets = { ca: tls.authority, cert: tls.certificate, key: tls.key }
  const settings = { method, headers: { connection: 'close', ...headers }, timeout: timeoutMs, ...secrets }
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? secureRequest : request
    const sent = send(url, settings, answer => resolve({ status: answer.statusCode ?? 0, parts: answer }))
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${timeoutMs} ms`)))
    sent.on('error', reject)
    sent.end(body)
  })
}

/** Whether a server can listen there now; `port` 0 can always. */
export function isPortFree(host: string, port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/** `count` ports of this machine that are free now. */
export async function freePorts(host: string, count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      server =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject)
          server.listen({ host, port: 0 }, () => {
            const address = server.address()
            resolve(address !== null && typeof address === 'object' ? address.port : 0)
          })
        }),
    ),
  )
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}
