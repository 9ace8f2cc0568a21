import { isOtherPage, QuorateError } from '../model/index.ts'
import { bytesToJson } from '../encoding/index.ts'
import type { AuditPage, NodeService, RunningRequests, SlowRequests } from '../model/index.ts'
import type { Clock, Timers } from '../platform/index.ts'
import type { AdminApp, AdminPeer } from './admin-app.ts'
import { addBackupRoutes } from './backup-routes.ts'
import type { BackupActions } from './backup-routes.ts'
import type { LagLimits } from './applied-lag.ts'
import { CONSOLE_PAGE, CONSOLE_SCRIPT, CONSOLE_STYLE } from './console/index.ts'
import { notAllowed } from './error-answer.ts'
import { json, numberOf } from './json-answer.ts'
import { formatMetrics, METRICS_CONTENT_TYPE } from './metrics.ts'
import type { MetricsSource } from './metrics.ts'
import { addProbes, createApp, routesOf } from './probe-routes.ts'
import type { App } from './probe-routes.ts'
import { addRequestRoutes } from './request-routes.ts'
import type { Act } from './request-routes.ts'
import { Probes } from './probes.ts'
import type { NodeHealth } from './probes.ts'
import { readFields } from './request-fields.ts'

/** What can be done to a node. Each resolves when it is done and rejects with a QuorateError. */
export interface AdminActions {
  /** Hands leadership to a member, or to whom the leader finds fit. */
  transferLeadership(toNodeId: number | undefined): Promise<void>
  /** Starts to drain; resolves at once. */
  drain(): Promise<void>
  /** Takes a checkpoint; answers its seq. */
  checkpoint(): Promise<number>
  /** The newest audit rows below `beforeSeq`, newest first. */
  audit(limit: number, beforeSeq: number): Promise<AuditPage>
}

export type Authenticate = (token: string | undefined, isLoopback: boolean, address: string) => string | undefined

export interface AdminOptions {
  service: NodeService
  clock: Clock
  timers: Timers
  health: () => NodeHealth
  /** Reads something of the local state, from its root down: whether that can be done is part of readiness. */
  readLocal: () => Promise<unknown>
  /** When a member that lags is not ready. */
  readiness?: LagLimits
  /** Who asks, if that is an operator; undefined = refused. May throw a QuorateError: `busy` if the address has failed too often. */
  authenticate: Authenticate
  /** The same for whoever may do no more than make backups; operators may, too. */
  authenticateForBackups?: Authenticate
  metrics: readonly MetricsSource[]
  actions: AdminActions
  /** Absent = this node makes none. */
  backups?: BackupActions
  /** What the node is busy with, and what took long. */
  requests?: { readonly running: RunningRequests; readonly slow: SlowRequests }
  serverVersion: string
  /** Further fields of `/admin/v1/status`, for example the number of clients. */
  details?: () => Readonly<Record<string, unknown>>
  /** Something was asked to be done: for the audit log. */
  onAction?: (caller: string, action: string) => void
  onFault?: (error: unknown) => void
}

/** Audit rows in one answer. */
const AUDIT_ROWS_MAX = 1_000

const CONSOLE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** The admin port of a node; `fetch` never rejects. */
export function createAdminApp(options: AdminOptions): AdminApp {
  const app = createApp(options.onFault)
  const probes = new Probes(options)
  addProbes(app, probes)
  addConsole(app)
  addOperations(app, options, probes)
  const { backups, authenticate, authenticateForBackups = authenticate } = options
  if (backups !== undefined) {
    const as = (request: Request, peer: AdminPeer): string => operatorOf(authenticateForBackups, request, peer)
    addBackupRoutes(app, backups, as, (caller, action) => options.onAction?.(caller, action))
  }
  return { fetch: (request, peer) => app.fetch(request, peer), routes: routesOf(app), close: () => probes.close() }
}

function addConsole(app: App): void {
  const files: readonly (readonly [string, string, string])[] = [
    ['/', 'text/html; charset=utf-8', CONSOLE_PAGE],
    ['/console.js', 'text/javascript; charset=utf-8', CONSOLE_SCRIPT],
    ['/console.css', 'text/css; charset=utf-8', CONSOLE_STYLE],
  ]
  for (const [path, type, body] of files) {
    app.get(
      path,
      () => new Response(body, { headers: { 'content-type': type, 'content-security-policy': CONSOLE_POLICY } }),
    )
    app.all(path, () => notAllowed('GET, HEAD'))
  }
}

function addOperations(app: App, options: AdminOptions, probes: Probes): void {
  const { service, actions, metrics, serverVersion: version } = options
  const as = (request: Request, peer: AdminPeer): string => operatorOf(options.authenticate, request, peer)
  const answerMetrics = async (sources: readonly MetricsSource[]): Promise<Response> => {
    const families = await Promise.all(sources.map(async source => source.collect()))
    return new Response(formatMetrics(families.flat()), { headers: { 'content-type': METRICS_CONTENT_TYPE } })
  }
  app.get('/metrics', c => {
    as(c.req.raw, c.env)
    return answerMetrics(metrics)
  })
  // For the console and whoever else looks in, beside monitoring.
  app.get('/admin/v1/figures', c => {
    as(c.req.raw, c.env)
    return answerMetrics(metrics.filter(({ isForOneReader }) => isForOneReader !== true))
  })
  app.get('/admin/v1/status', async c => {
    as(c.req.raw, c.env)
    const checks = await probes.checks('readyz')
    return json({ version, ...service.status(), isDraining: service.isDraining, checks, ...options.details?.() })
  })
  app.get('/admin/v1/audit', async c => {
    as(c.req.raw, c.env)
    const limit = numberOf(c.req.query('limit'), 'limit', 100, AUDIT_ROWS_MAX)
    const before = numberOf(c.req.query('before'), 'before', Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
    return json(bytesToJson(await actions.audit(limit, before)))
  })
  for (const path of ['/metrics', '/admin/v1/status', '/admin/v1/figures', '/admin/v1/audit'])
    app.all(path, () => notAllowed('GET, HEAD'))
  const act: Act = (path, fields, run, what, methods = 'POST') => {
    app.post(path, async c => {
      const caller = as(c.req.raw, c.env)
      const body = await readFields(c.req.raw, fields)
      const named = what?.(body)
      options.onAction?.(caller, named === undefined ? path : `${path} ${named}`)
      return run(body)
    })
    app.all(path, () => notAllowed(methods))
  }
  act('/admin/v1/leader/transfer', ['to'], async ({ to }) => {
    await actions.transferLeadership(to === undefined ? undefined : memberOf(service, to))
    return json({ leaderId: service.topology.leaderId })
  })
  act('/admin/v1/drain', [], async () => {
    await actions.drain()
    return json({ isDraining: true }, 202)
  })
  if (options.requests !== undefined) addRequestRoutes({ app, as, act, ...options.requests })
  act('/admin/v1/checkpoint', [], async () => json({ seq: await actions.checkpoint() }))
}

/** A member by name or node id. @throws QuorateError `not_found` */
function memberOf(service: NodeService, to: unknown): number {
  const member = service.topology.members.find(({ name, nodeId }) => name === to || nodeId === to)
  if (member === undefined) throw new QuorateError('not_found', 'no member has this name or id')
  return member.nodeId
}

/** @throws QuorateError `unauthenticated`, `permission_denied` for pages of other sites */
function operatorOf(authenticate: Authenticate, request: Request, { isLoopback, address = '' }: AdminPeer): string {
  const { headers } = request
  const token = /^Bearer ([^\s]+)$/i.exec(headers.get('authorization') ?? '')?.[1]
  const page = { host: headers.get('host'), origin: headers.get('origin'), fetchSite: headers.get('sec-fetch-site') }
  if (token === undefined && isOtherPage(page, isLoopback)) {
    throw new QuorateError('permission_denied', 'a page of another site may not use this node without a token')
  }
  const caller =
    headers.has('authorization') && token === undefined ? undefined : authenticate(token, isLoopback, address)
  if (caller === undefined) throw new QuorateError('unauthenticated', 'a token of an operator is needed')
  return caller
}
