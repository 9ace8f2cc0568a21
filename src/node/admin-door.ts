import {
  authenticationMetrics,
  backupMetrics,
  certificateMetrics,
  createAdminApp,
  createStartingApp,
  groupMetrics,
  nodeMetrics,
  processMetrics,
  requestMetrics,
  storageMetrics,
} from '../admin/index.ts'
import type { AdminApp, LagLimits, MetricsSource, ProcessReadings } from '../admin/index.ts'
import { watchProcess } from '../platform/node/index.ts'
import { httpListener, unreadableBody } from '../transport/http/index.ts'
import type { Endpoint } from './configuration.ts'
import type { NodeParts } from './node-parts.ts'
import { durationsOf, groupReadings, healthReadings, requestReadings, storageReadings } from './readings.ts'
import type { StartProgress } from './start-progress.ts'
import { certificates, listenOn } from './tls.ts'
import type { NodeTls } from './tls.ts'

/** Where operators and probes come in, on a port of their own. It is open before there is anything to administer: probes ask from the start. */
export interface AdminDoor {
  readonly address: Endpoint
  /** The node is open: from now on the whole app answers. */
  serve(parts: AdminParts): void
  /** Repeats are harmless. */
  close(): Promise<void>
}

export interface AdminParts extends NodeParts {
  readonly progress: StartProgress
  readonly readiness: LagLimits
  readonly drain: () => void
  readonly onAction: (caller: string, action: string) => void
}

const TRANSFER_MS = 10_000
const CLOSE_GRACE_MS = 500

/** Until `serve` only the probes answer, which say how far the start has come; everything else is `unavailable`. */
export async function openAdminDoor(
  { host, port }: Endpoint,
  tls: NodeTls['admin'],
  progress: StartProgress,
): Promise<AdminDoor> {
  let app: AdminApp = createStartingApp(() => progress.reading)
  const closing: (() => void)[] = []
  const server = await listenOn(tls, {
    host,
    port,
    onRequest: httpListener({ fetch: (request, peer) => app.fetch(request, peer) }),
    onUnreadable: unreadableBody,
  })
  let closed: Promise<void> | undefined
  return {
    address: { host: server.host, port: server.port },
    serve(parts) {
      const watched = watchProcess()
      app = appOf(parts, () => watched.read())
      closing.push(
        () => watched.stop(),
        () => app.close(),
      )
    },
    close: () => (closed ??= server.close({ graceMs: CLOSE_GRACE_MS }).then(() => closing.forEach(close => close()))),
  }
}

function appOf(parts: AdminParts, readProcess: () => ProcessReadings): AdminApp {
  const { node, gateway, platform, authentication, version, drain, onFault, onAction, readiness } = parts
  const { replica, machine } = node
  const { clock, timers } = platform
  return createAdminApp({
    service: replica,
    clock,
    timers,
    health: () => healthReadings(node, parts.progress),
    // The head of the audit rows: a record that is looked up in the tree as any other.
    readLocal: () => machine.auditRows(0, Number.MAX_SAFE_INTEGER),
    readiness,
    authenticate: (token, isLoopback, address) => authentication.callerOf('admin', token, isLoopback, address),
    authenticateForBackups: (token, isLoopback, address) =>
      authentication.callerOf('backup', token, isLoopback, address),
    metrics: metricsOf(parts, readProcess),
    backups: parts.backups,
    actions: {
      transferLeadership: to => replica.transferLeadership(to, TRANSFER_MS),
      drain: () => Promise.resolve(drain()),
      checkpoint: () => replica.checkpoint(),
      audit: (limit, beforeSeq) => machine.auditRows(limit, beforeSeq),
    },
    requests: { running: parts.requests, slow: replica.slow },
    serverVersion: version,
    details: () => ({
      clients: gateway.stats.connections,
      durations: durationsOf(requestReadings(node, gateway.stats.queries)),
    }),
    onAction,
    onFault,
  })
}

function metricsOf(parts: AdminParts, readProcess: () => ProcessReadings): MetricsSource[] {
  const { node, gateway, platform, tls, version, httpLatency, links } = parts
  return [
    nodeMetrics(node.replica, gateway.stats, version, httpLatency),
    groupMetrics(() => groupReadings(node, links(), platform.clock)),
    requestMetrics(() => requestReadings(node, gateway.stats.queries)),
    storageMetrics(storageReadings(node, platform.files, parts.progress)),
    processMetrics(readProcess),
    certificateMetrics(() => certificates(tls)),
    authenticationMetrics(() => parts.authentication.attempts),
    backupMetrics(() => parts.backups.readings),
  ]
}
