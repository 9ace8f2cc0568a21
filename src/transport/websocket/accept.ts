import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import type { FrameLink } from '../../platform/index.ts'
import { isTextSubprotocol } from './dialer.ts'
import { SOCKET_OPTIONS, WebSocketLink } from './link.ts'
import { isLoopbackAddress, isOwnOrigin } from './origin.ts'

/** A link that somebody opened, and what is known of them. */
export interface AcceptedLink {
  readonly link: FrameLink
  /** The one of the offered subprotocols that was chosen. */
  readonly subprotocol: string
  /** The path of the URL, without the query. */
  readonly path: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** "address:port" of the caller. */
  readonly remoteAddress: string
  /** Whether the caller is on this machine. */
  readonly isLoopback: boolean
}

export interface AcceptOptions {
  /** The path of the URL that links are taken on, for example `/v1/connect`. */
  path: string
  /** Those understood, the preferred first. A caller that offers none of them is refused. */
  subprotocols: readonly string[]
  /** Messages above this size break the link (1009). */
  maxFrameBytes: number
  /** Bytes that may come on a link before `link.trust` is called; more break it. Unbounded if not given. */
  strangerBytesMax?: number
  /** Links at a time; more are refused with 503. 10,000. */
  maxLinks?: number
  /** Further pages (by the Origin header) that may connect; a page that this very server served may always. */
  origins?: readonly string[]
  /** Takes the link. Its `onFrame` and `onClose` should be set before this returns. */
  onLink: (accepted: AcceptedLink) => void
}

/** Turns HTTP upgrades into links. */
export interface WebSocketAcceptor {
  /** Takes the socket of an upgrade; false, without touching it, if the path is another one. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean
  /** Links that are open. */
  readonly linkCount: number
  /** Refuses further upgrades and closes all links with this code (1001) and reason. */
  close(code?: number, reason?: string): void
}

/**
 * Accepts WebSockets on one path. Pages of other origins are refused, because a browser lets any page open a WebSocket to any
 * address: on a loopback address without tokens every web page would be root.
 */
export function acceptWebSocket(options: AcceptOptions): WebSocketAcceptor {
  const { path, subprotocols, maxFrameBytes, maxLinks = 11_000, origins = [], onLink } = options
  const links = new Set<FrameLink>()
  let isClosed = false
  const server = new WebSocketServer({
    ...SOCKET_OPTIONS,
    noServer: true,
    clientTracking: false,
    maxPayload: maxFrameBytes,
    handleProtocols: offered => subprotocols.find(known => offered.has(known)) ?? false,
  })
  server.on('wsClientError', (_error, socket) => refuse(socket, '400 Bad Request'))

  const refusalOf = (request: IncomingMessage): string | undefined => {
    if (isClosed || links.size >= maxLinks) return '503 Service Unavailable'
    const { origin } = request.headers
    if (origin !== undefined && !origins.includes(origin) && !isOwnOrigin(origin, request)) return '403 Forbidden'
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map(name => name.trim())
    return subprotocols.some(known => offered.includes(known)) ? undefined : '400 Bad Request'
  }

  return {
    handleUpgrade(request, socket, head) {
      const target = (request.url ?? '').split('?', 1)[0] ?? ''
      if (target !== path) return false
      const refusal = refusalOf(request)
      if (refusal !== undefined) {
        refuse(socket, refusal)
        return true
      }
      const { remoteAddress: address = '', remotePort = 0 } = request.socket
      server.handleUpgrade(request, socket, head, webSocket => {
        const remoteAddress = `${address}:${remotePort}`
        const link = new WebSocketLink(webSocket, remoteAddress, isTextSubprotocol(webSocket.protocol), {
          socket,
          bytesMax: options.strangerBytesMax,
        })
        links.add(link)
        webSocket.on('close', () => links.delete(link))
        const { protocol: subprotocol } = webSocket
        const isLoopback = isLoopbackAddress(address)
        onLink({ link, subprotocol, path, headers: request.headers, remoteAddress, isLoopback })
      })
      return true
    },
    get linkCount() {
      return links.size
    },
    close(code = 1001, reason = 'closing') {
      isClosed = true
      for (const link of links) link.close(code, reason)
    },
  }
}

/** Answers an upgrade that nobody takes, for example `404 Not Found`, and keeps nothing of it: nobody else would ever end the socket. */
export function refuse(socket: Duplex, status: string): void {
  socket.on('error', () => socket.destroy())
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy())
}
