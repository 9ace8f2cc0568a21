import { request } from 'node:http'
import { request as secureRequest } from 'node:https'
import { createServer } from 'node:net'

export interface HttpAnswer {
  readonly status: number
  readonly body: string
}

export interface HttpRequestOptions {
  readonly method: 'GET' | 'POST'
  /** http://host:port/path or https: */
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly timeoutMs: number
  /** PEM texts, for https. */
  readonly tls?: { readonly authority?: string; readonly certificate?: string; readonly key?: string }
}

/** One HTTP exchange on a connection of its own. Rejects where there is no answer in time. */
export function httpRequest(options: HttpRequestOptions): Promise<HttpAnswer> {
  const { method, url, headers, body, timeoutMs, tls = {} } = options
  const secrets = { ca: tls.authority, cert: tls.certificate, key: tls.key }
  const settings = { method, headers: { connection: 'close', ...headers }, timeout: timeoutMs, ...secrets }
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? secureRequest : request
    const sent = send(url, settings, answer => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', reject)
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }))
    })
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
