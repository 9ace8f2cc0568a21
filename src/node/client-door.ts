import { CLIENT_SUBPROTOCOL_BINARY, CLIENT_SUBPROTOCOL_JSON, FIRST_FRAME_BYTES_MAX } from '../model/index.ts'
import { DEFAULT_GATEWAY_LIMITS } from '../transport/gateway/index.ts'
import { createHttpApp, httpListener, unreadableBody } from '../transport/http/index.ts'
import { acceptWebSocket, refuse } from '../transport/websocket/index.ts'
import { bearerToken } from './bearer-token.ts'
import type { Endpoint } from './configuration.ts'
import type { NodeParts } from './node-parts.ts'
import { listenOn } from './tls.ts'

/** Where clients come in: WebSockets on `/v1/connect`, everything else HTTP. */
export interface ClientDoor {
  readonly address: Endpoint
  close(): Promise<void>
}

const CONNECT_PATH = '/v1/connect'
const CLOSE_GRACE_MS = 1_000
/** What may come before a good hello, with room to be told what is wrong with a frame that is too long. */
const STRANGER_BYTES_MAX = 2 * FIRST_FRAME_BYTES_MAX

export async function openClientDoor(
  { host, port, origins }: Endpoint & { origins: string },
  parts: NodeParts,
): Promise<ClientDoor> {
  const { gateway, node, platform, authentication, tls, version, onFault } = parts
  const service = node.replica
  const { clock } = platform
  const app = createHttpApp({
    service,
    core: parts.core,
    authenticate: (token, isLoopback, address) => authentication.callerOf('client', token, isLoopback, address),
    serverVersion: version,
    timing: { clock, latency: parts.httpLatency },
    onFault,
  })
  const acceptor = acceptWebSocket({
    path: CONNECT_PATH,
    subprotocols: [CLIENT_SUBPROTOCOL_BINARY, CLIENT_SUBPROTOCOL_JSON],
    maxFrameBytes: DEFAULT_GATEWAY_LIMITS.maxFrameBytes,
    strangerBytesMax: STRANGER_BYTES_MAX,
    origins: origins
      .split(',')
      .map(origin => origin.trim())
      .filter(origin => origin !== ''),
    onLink: ({ link, subprotocol, isLoopback, headers }) => {
      const address = link.remoteAddress.slice(0, link.remoteAddress.lastIndexOf(':'))
      gateway.accept(link, { subprotocol, isLoopback, address, token: bearerToken(headers['authorization']) })
    },
  })
  const server = await listenOn(tls.client, {
    host,
    port,
    onRequest: httpListener(app),
    onUnreadable: unreadableBody,
    onUpgrade: (request, socket, head) => {
      if (!acceptor.handleUpgrade(request, socket, head)) refuse(socket, '404 Not Found')
    },
  })
  return {
    address: { host: server.host, port: server.port },
    async close() {
      acceptor.close()
      await server.close({ graceMs: CLOSE_GRACE_MS })
    },
  }
}
