import type { IncomingMessage, RequestListener } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { QuorateError } from '../../model/index.ts'
import { isLoopbackAddress } from '../websocket/index.ts'
import { errorResponse } from './http-error.ts'
import type { HttpPeer } from './request.ts'

/** An app that answers requests of a known peer: the HTTP door, or the admin port's. */
export interface ServedApp {
  fetch(request: Request, peer: HttpPeer): Response | Promise<Response>
}

/** Serves an app on a server of node:http. */
export function httpListener(app: ServedApp): RequestListener {
  const listener = getRequestListener(
    (request, env) => {
      const { incoming } = env as { incoming: IncomingMessage }
      return app.fetch(request, {
        target: incoming.url ?? '/',
        isLoopback: isLoopbackAddress(incoming.socket.remoteAddress ?? ''),
        address: incoming.socket.remoteAddress ?? '',
      })
    },
    {
      overrideGlobalObjects: false,
      errorHandler: cause => errorResponse(new QuorateError('malformed_request', 'this is no request', { cause })),
    },
  )
  return (incoming, outgoing) => void listener(incoming, outgoing)
}
