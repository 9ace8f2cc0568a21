import { Hono } from 'hono'
import type { Context } from 'hono'
import { isOtherPage, QuorateError, toJson } from '../../model/index.ts'
import { BodyBudget } from './body-budget.ts'
import type { BodyShare } from './body-budget.ts'
import { errorResponse } from './http-error.ts'
import { AbsentKey, deleteKey, getKey, putKey } from './key-routes.ts'
import { listKeys } from './list-route.ts'
import { openApiDocument } from './openapi.ts'
import type { HttpCall, HttpOptions } from './options.ts'
import { parseKeyPath, parseProjectPath, splitTarget } from './paths.ts'
import type { KeyPath } from './paths.ts'
import { bearerToken } from './request.ts'
import type { HttpPeer } from './request.ts'
import { listScopes } from './scopes-route.ts'
import { commitEventsRoute, eventsRoute } from './event-routes.ts'
import {
  headRoute,
  jobsRoute,
  settingsRoute,
  projectsRoute,
  queryRoute,
  scopesRoute,
  tablesRoute,
  usageRoute,
} from './table-routes.ts'
import { commitRoute, ddlRoute, preflightRoute } from './transaction-routes.ts'

export type HttpApp = Hono<{ Bindings: HttpPeer }>

type Route = (call: HttpCall) => Promise<Response>

const REQUESTS_MAX = 1_024
const BODY_BYTES_MAX = 256 << 20
const SAFE_HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  // Values are users' data: shown by a browser they must not act in the name of this node.
  'content-security-policy': "default-src 'none'; sandbox",
}

/**
 * The HTTP door of a node. Its `fetch(request, {target, isLoopback})` answers every path of `/v1/` but `/v1/connect`; it never rejects.
 */
export function createHttpApp(options: HttpOptions): HttpApp {
  const app: HttpApp = new Hono()
  let running = 0
  const bodies = new BodyBudget(options.bodyBytesMax ?? BODY_BYTES_MAX)
  app.use('*', async (c, next) => {
    await next()
    for (const [name, value] of Object.entries(SAFE_HEADERS)) c.res.headers.set(name, value)
  })

  const answer = async (c: Context<{ Bindings: HttpPeer }>, route: Route): Promise<Response> => {
    const bounded = options.requestsMax ?? REQUESTS_MAX
    if (running >= bounded) {
      return errorResponse(new QuorateError('busy', 'too many requests at a time', { retryable: true, backoffMs: 100 }))
    }
    running++
    const { timing } = options
    const sinceMs = timing?.clock.monotonicMs() ?? 0
    const share = bodies.share()
    try {
      return await route(authenticated(options, c.req.raw, c.env, share))
    } finally {
      share.release()
      running--
      timing?.latency.record(timing.clock.monotonicMs() - sinceMs)
    }
  }

  const keyRoutes: Record<string, (call: HttpCall, path: KeyPath) => Promise<Response>> = {
    GET: (call, path) =>
      path.key === undefined ? listKeys(call, path) : getKey(call, path.project, path.scope, path.key),
    PUT: withKey(putKey),
    DELETE: withKey(deleteKey),
  }
  app.all('/v1/kv/*', c => {
    // HEAD reaches the routes as GET and loses its body above.
    const method = c.req.method === 'HEAD' ? 'GET' : c.req.method
    const route = keyRoutes[method]
    const target = splitTarget(c.env.target).path
    const project = parseProjectPath(target)
    if (project !== undefined) {
      return method === 'GET' ? answer(c, call => listScopes(call, project)) : notAllowed(['GET', 'HEAD'])
    }
    const path = parseKeyPath(target)
    const allowed = path.key === undefined ? ['GET', 'HEAD'] : ['GET', 'HEAD', 'PUT', 'DELETE']
    if (route === undefined || !allowed.includes(method)) return notAllowed(allowed)
    return answer(c, call => route(call, path))
  })
  fixed(app, 'POST', '/v1/commit', c => answer(c, commitRoute))
  fixed(app, 'POST', '/v1/preflight', c => answer(c, preflightRoute))
  fixed(app, 'GET', '/v1/head', c => answer(c, headRoute))
  fixed(app, 'GET', '/v1/settings', c => answer(c, settingsRoute))
  fixed(app, 'GET', '/v1/jobs', c => answer(c, jobsRoute))
  fixed(app, 'GET', '/v1/events/*', c => answer(c, call => eventsRoute(call, splitTarget(c.env.target).path)))
  fixed(app, 'GET', '/v1/commits/*', c => answer(c, call => commitEventsRoute(call, splitTarget(c.env.target).path)))
  fixed(app, 'POST', '/v1/ddl', c => answer(c, ddlRoute))
  fixed(app, 'POST', '/v1/query', c => answer(c, queryRoute))
  fixed(app, 'GET', '/v1/tables/*', c => answer(c, call => tablesRoute(call, splitTarget(c.env.target).path)))
  fixed(app, 'GET', '/v1/projects', c => answer(c, projectsRoute))
  fixed(app, 'GET', '/v1/scopes/*', c => answer(c, call => scopesRoute(call, splitTarget(c.env.target).path)))
  for (const path of ['/v1/usage', '/v1/usage/*']) {
    fixed(app, 'GET', path, c => answer(c, call => usageRoute(call, splitTarget(c.env.target).path)))
  }
  fixed(app, 'GET', '/v1/status', c => answer(c, call => Promise.resolve(json(toJson(call.options.service.status())))))
  const openApi = JSON.stringify(openApiDocument(options.serverVersion))
  fixed(app, 'GET', '/v1/openapi.json', () => Promise.resolve(json(openApi)))

  app.notFound(() => errorResponse(new QuorateError('not_found', 'no such path')))
  app.onError(error => {
    if (error instanceof AbsentKey) return errorResponse(error, { 'quorate-token': error.token })
    if (error instanceof QuorateError) return errorResponse(error)
    options.onFault?.(error)
    return errorResponse(new QuorateError('internal', 'the request failed inside the node', { applied: 'unknown' }))
  })
  return app
}

/** A path that understands one method; GET answers HEAD too. */
function fixed(
  app: HttpApp,
  method: 'GET' | 'POST',
  path: string,
  route: (c: Context<{ Bindings: HttpPeer }>) => Promise<Response>,
): void {
  app.on(method, path, route)
  app.all(path, () => notAllowed(method === 'GET' ? ['GET', 'HEAD'] : [method]))
}

function withKey(
  route: (call: HttpCall, project: string, scope: string, key: Uint8Array) => Promise<Response>,
): (call: HttpCall, path: KeyPath) => Promise<Response> {
  return (call, { project, scope, key = new Uint8Array(0) }) => route(call, project, scope, key)
}

function notAllowed(methods: readonly string[]): Response {
  const error = new QuorateError('method_not_allowed', `this path understands ${methods.join(', ')}`)
  return errorResponse(error, { allow: methods.join(', ') })
}

export function json(body: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(body, { headers: { 'content-type': 'application/json', ...headers } })
}

/** @throws QuorateError `unauthenticated`, `permission_denied` for pages of other sites */
function authenticated(options: HttpOptions, request: Request, peer: HttpPeer, share: BodyShare): HttpCall {
  const token = bearerToken(request)
  const { headers } = request
  // A browser lets every page send requests to this machine: without a token nothing else tells such a page from its user.
  const page = { host: headers.get('host'), origin: headers.get('origin'), fetchSite: headers.get('sec-fetch-site') }
  if (token === undefined && isOtherPage(page, peer.isLoopback)) {
    throw new QuorateError('permission_denied', 'a page of another site may not use this node without a token')
  }
  const caller = options.authenticate(token, peer.isLoopback, peer.address ?? '')
  if (caller === undefined) {
    throw new QuorateError('unauthenticated', token === undefined ? 'a token is needed' : 'the token is not valid')
  }
  return { options, request, share, caller, query: splitTarget(peer.target).query }
}
