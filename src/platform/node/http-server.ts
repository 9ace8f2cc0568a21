import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import { createServer as createSecureServer, Server as SecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { SecureContextOptions, TlsOptions } from 'node:tls'

/** Bounds on what a caller may make the server hold. */
export interface HttpLimits {
  /** Connections at a time, upgraded ones among them; a request on one above is answered 429, and ends it. 10,000. */
  maxConnections?: number
  /** Connections above `maxConnections` that are taken, to be told so; more are dropped at once. 1,000. */
  maxExcess?: number
  /** Bytes of all headers of one request. 16,384. */
  maxHeaderBytes?: number
  /** The headers of a request must be complete within this time. 10,000 ms. */
  headersTimeoutMs?: number
  /** A whole request, body included. 60,000 ms. */
  requestTimeoutMs?: number
  /** How long an idle connection is kept for another request. 30,000 ms. */
  keepAliveTimeoutMs?: number
}

export interface HttpListenOptions {
  host: string
  /** 0 chooses a free one. */
  port: number
  /** Without it every request is answered 404. */
  onRequest?: RequestListener
  /** The JSON that is answered to what is not looked at; without it the status line says all. */
  onUnreadable?: (status: UnreadableStatus) => string
  /** Takes over the socket of a request for another protocol, also above `maxConnections`; without it upgrades are refused. */
  onUpgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  limits?: HttpLimits
  /** Serves https and wss: PEM texts. With `clientAuthority` callers must present a certificate of that authority. */
  tls?: { certificate: string; key: string; clientAuthority?: string }
}

/** Why a request is not looked at: it is no HTTP, did not come in time, its headers are too long, or there are too many connections. */
export type UnreadableStatus = 400 | 408 | 429 | 431

/** PEM texts. */
export type HttpTls = NonNullable<HttpListenOptions['tls']>

export interface HttpServer {
  /** The address really bound. */
  readonly host: string
  readonly port: number
  /** New certificates for connections made from now on; only for a server that has TLS. */
  setTls(tls: HttpTls): void
  /** Takes no more connections, lets running requests finish for up to `graceMs` (0), then ends all connections. */
  close(options?: { graceMs?: number }): Promise<void>
}

/** Listens for HTTP/1.1. Rejects with the system's error (`EADDRINUSE`, `EACCES`, ...) if the address cannot be had. */
export async function listenHttp(options: HttpListenOptions): Promise<HttpServer> {
  const server = createLimitedServer(options)
  const upgraded = new Set<Duplex>()
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy()) // a reset before the new owner listens must not end the process
    if (!isForWebSocket(request)) return serveAsItIs(server, request, socket, head)
    upgraded.add(socket)
    socket.on('close', () => upgraded.delete(socket))
    if (options.onUpgrade !== undefined) options.onUpgrade(request, socket, head)
    else socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n', () => socket.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, () => {
      server.off('error', reject)
      server.on('error', () => {}) // a failed accept (descriptors used up) does not end those who are connected
      resolve()
    })
  })
  const address = server.address() as AddressInfo
  return {
    host: address.address,
    port: address.port,
    setTls: tls => {
      if (server instanceof SecureServer) server.setSecureContext(secrets(tls))
    },
    close: ({ graceMs = 0 } = {}) => closeServer(server, upgraded, graceMs),
  }
}

function isForWebSocket({ headers }: IncomingMessage): boolean {
  return /(?:^|[\s,])websocket(?:[\s,/]|$)/i.test(headers.upgrade ?? '')
}

const OF_THE_OFFER: readonly string[] = ['upgrade', 'connection', 'http2-settings']

/**
 * Another protocol is an offer that a server may ignore (RFC 9110, 7.8): common clients make one of h2c with every request. Node has taken the socket
 * off its parser by then, so it is given the same request again, without the offer.
 */
function serveAsItIs(server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  // An answer that is still being made to a request before it on the connection: Node keeps it there.
  const { _httpMessage: earlier } = socket as Duplex & { _httpMessage?: ServerResponse | null }
  if (earlier !== undefined && earlier !== null) {
    earlier.once('close', () => {
      if (!socket.destroyed) serveAsItIs(server, request, socket, head)
    })
    return
  }
  const { method = '', url = '', httpVersion, rawHeaders } = request
  const lines = [`${method} ${url} HTTP/${httpVersion}`]
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const [name, value] = [rawHeaders[i]!, rawHeaders[i + 1]!]
    if (!OF_THE_OFFER.includes(name.toLowerCase())) lines.push(`${name}: ${value}`)
  }
  const isLast = /(?:^|[\s,])close(?:[\s,]|$)/i.test(request.headers.connection ?? '')
  lines.push(`Connection: ${isLast ? 'close' : 'keep-alive'}`, '', '')
  socket.unshift(Buffer.concat([Buffer.from(lines.join('\r\n'), 'latin1'), head]))
  server.emit(server instanceof SecureServer ? 'secureConnection' : 'connection', socket)
}

function createLimitedServer({ onRequest, onUnreadable, limits = {}, tls }: HttpListenOptions): Server {
  const { maxConnections = 10_000, maxExcess = 1_000, maxHeaderBytes = 16_384 } = limits
  const { headersTimeoutMs = 10_000, requestTimeoutMs = 60_000, keepAliveTimeoutMs = 30_000 } = limits
  const settings = {
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: Math.min(headersTimeoutMs, requestTimeoutMs),
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    connectionsCheckingInterval: 1_000,
    noDelay: true,
  }
  const serve: RequestListener =
    onRequest ??
    ((_request, response) => {
      response.writeHead(404, { connection: 'close' }).end()
    })
  const excess = new WeakSet<Duplex>()
  const listener: RequestListener = (request, response) => {
    if (excess.has(request.socket)) refuseExcess(response, onUnreadable?.(429))
    else serve(request, response)
  }
  const server =
    tls === undefined
      ? createServer(settings, listener)
      : createSecureServer({ ...settings, ...secrets(tls) }, listener)
  server.maxConnections = maxConnections + maxExcess
  let open = 0
  // A request that offers another protocol is served as if its connection was a new one.
  const seen = new WeakSet<Duplex>()
  const isNew = (socket: Duplex): boolean => {
    const isFirst = !seen.has(socket)
    seen.add(socket)
    return isFirst
  }
  server.on('connection', (socket: Duplex) => {
    if (!isNew(socket)) return
    open++
    socket.once('close', () => open--)
    if (open > maxConnections) excess.add(socket)
  })
  server.on('secureConnection', (socket: Duplex) => {
    if (isNew(socket) && open > maxConnections) excess.add(socket)
  })
  if (onUnreadable !== undefined) {
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => answerUnreadable(error, socket, onUnreadable))
  }
  return server
}

function refuseExcess(response: ServerResponse, body = ''): void {
  response.writeHead(429, { connection: 'close', 'content-type': 'application/json' }).end(body)
}

const STATUS_LINES: Readonly<Record<Exclude<UnreadableStatus, 429>, string>> = {
  400: '400 Bad Request',
  408: '408 Request Timeout',
  431: '431 Request Header Fields Too Large',
}

/** Nothing more is read from the connection. */
function answerUnreadable(
  error: NodeJS.ErrnoException,
  socket: Duplex,
  bodyOf: (status: UnreadableStatus) => string,
): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400
  const body = bodyOf(status)
  const head = `Connection: close\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}`
  socket.end(`HTTP/1.1 ${STATUS_LINES[status]}\r\n${head}\r\n\r\n${body}`, () => socket.destroy())
}

function secrets({ certificate, key, clientAuthority }: HttpTls): SecureContextOptions & TlsOptions {
  const own = { cert: certificate, key, minVersion: 'TLSv1.2' as const }
  return clientAuthority === undefined
    ? own
    : { ...own, ca: clientAuthority, requestCert: true, rejectUnauthorized: true }
}

function closeServer(server: Server, upgraded: ReadonlySet<Duplex>, graceMs: number): Promise<void> {
  return new Promise(resolve => {
    const endAll = (): void => {
      server.closeAllConnections()
      for (const socket of upgraded) socket.destroy()
    }
    const grace = setTimeout(endAll, graceMs)
    server.close(() => {
      clearTimeout(grace)
      resolve()
    })
    server.closeIdleConnections()
    if (graceMs <= 0) endAll()
  })
}
