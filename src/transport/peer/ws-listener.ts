import type { IncomingMessage, RequestListener } from 'node:http'
import type { Duplex } from 'node:stream'
import { acceptWebSocket, refuse } from '../websocket/index.ts'
import { STRANGER_BYTES_MAX } from './handshake-frames.ts'
import { DEFAULT_PEER_LIMITS, PEER_PATH, PEER_SUBPROTOCOL, type ListenForPeers } from './options.ts'

/** The HTTP server that is needed here; `listenHttp` of `platform/node` is one. */
export type ListenHttp = (options: {
  host: string
  port: number
  onRequest?: RequestListener
  onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  tls?: ListenerTls
  limits?: { maxConnections: number; maxExcess: number }
}) => Promise<{ host: string; port: number; close(): Promise<void> }>

/** Each peer has five connections at most; the rest is room for strangers who are on their way out. */
const CONNECTIONS_MAX = 512

/** PEM texts. With `clientAuthority` peers must present a certificate of that authority. */
export interface ListenerTls {
  readonly certificate: string
  readonly key: string
  readonly clientAuthority?: string
}

export interface PeerListenerOptions {
  readonly listenHttp: ListenHttp
  readonly host: string
  readonly port: number
  readonly maxFrameBytes?: number
  /** Serves wss; the transports then dial with `scheme: 'wss'` and a `webSocketDialer` that knows the authority. */
  readonly tls?: ListenerTls
}

/** Listens for peers with WebSockets on a port of their own. */
export function webSocketPeerListener(options: PeerListenerOptions): ListenForPeers {
  const { listenHttp, host, port, tls, maxFrameBytes = DEFAULT_PEER_LIMITS.maxFrameBytes } = options
  return async accept => {
    const acceptor = acceptWebSocket({
      path: PEER_PATH,
      subprotocols: [PEER_SUBPROTOCOL],
      maxFrameBytes,
      strangerBytesMax: STRANGER_BYTES_MAX,
      onLink: ({ link, isLoopback }) => accept({ link, isLoopback }),
    })
    const server = await listenHttp({
      host,
      port,
      limits: { maxConnections: CONNECTIONS_MAX, maxExcess: 0 },
      ...(tls === undefined ? {} : { tls }),
      onUpgrade: (request, socket, head) => {
        if (!acceptor.handleUpgrade(request, socket, head)) refuse(socket, '404 Not Found')
      },
    })
    return {
      host: server.host,
      port: server.port,
      close: () => {
        acceptor.close()
        return server.close()
      },
    }
  }
}
