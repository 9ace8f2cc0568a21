import { CLIENT_SUBPROTOCOL_BINARY, CLIENT_SUBPROTOCOL_JSON, QuorateError } from '../model/index.ts'
import { jsonListener, listenHttp } from '../platform/node/index.ts'
import type { HttpCall, JsonAnswer } from '../platform/node/index.ts'
import { DEFAULT_GATEWAY_LIMITS } from '../transport/gateway/index.ts'
import { acceptWebSocket, refuse } from '../transport/websocket/index.ts'
import { answerOrError } from './admin-door.ts'
import { bearerToken } from './bearer-token.ts'
import type { Endpoint } from './configuration.ts'
import type { NodeParts } from './node-parts.ts'

/** Where clients come in: WebSockets on `/v1/connect`, everything else HTTP. */
export interface ClientDoor {
  readonly address: Endpoint
  close(): Promise<void>
}

const CONNECT_PATH = '/v1/connect'
const CLOSE_GRACE_MS = 1_000

export async function openClientDoor(endpoint: Endpoint, parts: NodeParts): Promise<ClientDoor> {
  const { gateway } = parts
  const acceptor = acceptWebSocket({
    path: CONNECT_PATH,
    subprotocols: [CLIENT_SUBPROTOCOL_BINARY, CLIENT_SUBPROTOCOL_JSON],
    maxFrameBytes: DEFAULT_GATEWAY_LIMITS.maxFrameBytes,
    onLink: ({ link, subprotocol, isLoopback, headers }) => {
      gateway.accept(link, { subprotocol, isLoopback, token: bearerToken(headers['authorization']) })
    },
  })
  const server = await listenHttp({
    ...endpoint,
    onRequest: jsonListener(call => answerOrError(() => answer(call, parts))),
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

function answer({ path, authorization, isLoopback }: HttpCall, parts: NodeParts): Promise<JsonAnswer> {
  if (parts.authentication.callerOf(bearerToken(authorization), isLoopback) === undefined) {
    throw new QuorateError('unauthenticated', 'a token is needed')
  }
  if (path !== '/v1/status') throw new QuorateError('not_found', 'there is no such page')
  return Promise.resolve({ status: 200, body: parts.node.replica.status() })
}
