import { Hono } from 'hono'
import { QuorateError } from '../model/index.ts'
import type { AdminApp, AdminPeer, AdminRoute } from './admin-app.ts'
import { errorAnswer, notAllowed } from './error-answer.ts'
import { answerLeader, answerProbe, answerStart } from './probe-answers.ts'
import { describeStart, StartingProbes } from './probes.ts'
import type { ProbeSource, StartReading } from './probes.ts'

export type App = Hono<{ Bindings: AdminPeer }>

/** An app whose answers are no page's and nobody's to keep, and whose errors have a code. */
export function createApp(onFault: ((error: unknown) => void) | undefined): App {
  const app: App = new Hono()
  app.use('*', async (c, next) => {
    await next()
    c.res.headers.set('cache-control', 'no-store')
    c.res.headers.set('x-content-type-options', 'nosniff')
    c.res.headers.set('referrer-policy', 'no-referrer')
  })
  app.notFound(() => errorAnswer(new QuorateError('not_found', 'no such path')))
  app.onError(error => {
    if (error instanceof QuorateError) return errorAnswer(error)
    onFault?.(error)
    return errorAnswer(new QuorateError('internal', 'the request failed inside the node', { applied: 'unknown' }))
  })
  return app
}

/** Without what is there for all methods: refusals. */
export function routesOf(app: App): AdminRoute[] {
  return app.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => ({ method, path }))
}

/** `/livez`, `/readyz`, `/startupz`, each with its checks below it, and `/leaderz`; GET and HEAD, for everybody. */
export function addProbes(app: App, source: ProbeSource): void {
  const queryOf = (url: string): URLSearchParams => new URL(url).searchParams
  for (const probe of ['livez', 'readyz'] as const) {
    app.get(`/${probe}`, async c =>
      answerProbe({ probe, query: queryOf(c.req.url), only: undefined }, await source.checks(probe)),
    )
  }
  app.get('/startupz', async c => {
    const question = { probe: 'startupz', query: queryOf(c.req.url), only: undefined } as const
    return answerStart(question, await source.checks('startupz'), source.start)
  })
  for (const probe of ['livez', 'readyz', 'startupz'] as const) {
    app.get(`/${probe}/:check`, async c =>
      answerProbe({ probe, query: queryOf(c.req.url), only: c.req.param('check') }, await source.checks(probe)),
    )
  }
  app.get('/leaderz', c => answerLeader(source.role, queryOf(c.req.url)))
  for (const path of ['/livez', '/livez/*', '/readyz', '/readyz/*', '/startupz', '/startupz/*', '/leaderz']) {
    app.all(path, () => notAllowed('GET, HEAD'))
  }
}

/** The admin port of a node that still starts: its probes; everything else is `unavailable`. `fetch` never rejects. */
export function createStartingApp(read: () => StartReading): AdminApp {
  const app = createApp(undefined)
  addProbes(app, new StartingProbes(read))
  app.all('*', () => errorAnswer(new QuorateError('unavailable', describeStart(read()), { retryable: true })))
  return { fetch: (request, peer) => app.fetch(request, peer), routes: routesOf(app), close: () => undefined }
}
