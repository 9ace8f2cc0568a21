import type { IncomingMessage, RequestListener } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { QuorateError } from '../../model/index.ts'
import { isLoopbackAddress } from '../websocket/index.ts'
import type { HttpApp } from './app.ts'
import { errorResponse } from './http-error.ts'

/** Serves the app on a server of node:http. */
export function httpListener(app: HttpApp): RequestListener {
  const listener = getRequestListener(
    (request, env) => {
      const { incoming } = env as { incoming: IncomingMessage }
      return app.fetch(request, {
        target: incoming.url ?? '/',
        isLoopback: isLoopbackAddress(incoming.socket.remoteAddress ?? ''),
      })
    },
    {
      overrideGlobalObjects: false,
      errorHandler: cause => errorResponse(new QuorateError('malformed_request', 'this is no request', { cause })),
    },
  )
  return (incoming, outgoing) => void listener(incoming, outgoing)
}
