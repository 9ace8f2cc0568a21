import {
  authenticationMetrics,
  certificateMetrics,
  createAdminApp,
  groupMetrics,
  nodeMetrics,
  processMetrics,
  storageMetrics,
} from '../admin/index.ts'
import type { MetricsSource, NodeHealth, ProcessReadings } from '../admin/index.ts'
import { watchProcess } from '../platform/node/index.ts'
import { httpListener, unreadableBody } from '../transport/http/index.ts'
import type { Endpoint } from './configuration.ts'
import type { NodeParts } from './node-parts.ts'
import { groupReadings, storageReadings } from './readings.ts'
import { certificates, listenOn } from './tls.ts'

/** Where operators and probes come in, on a port of their own. */
export interface AdminDoor {
  readonly address: Endpoint
  close(): Promise<void>
}

const TRANSFER_MS = 10_000
const CLOSE_GRACE_MS = 500

export async function openAdminDoor(
  { host, port }: Endpoint,
  parts: NodeParts & { readonly drain: () => void; readonly onAction: (caller: string, action: string) => void },
): Promise<AdminDoor> {
  const { node, gateway, platform, authentication, version, drain, onFault, onAction } = parts
  const { replica } = node
  const watched = watchProcess()
  const app = createAdminApp({
    service: replica,
    clock: platform.clock,
    health: () => healthOf(parts),
    authenticate: (token, isLoopback, address) => authentication.callerOf('admin', token, isLoopback, address),
    metrics: metricsOf(parts, () => watched.read()),
    actions: {
      transferLeadership: to => replica.transferLeadership(to, TRANSFER_MS),
      drain: () => Promise.resolve(drain()),
      checkpoint: () => replica.checkpoint(),
      audit: (limit, beforeSeq) => node.machine.auditRows(limit, beforeSeq),
    },
    serverVersion: version,
    details: () => ({ clients: gateway.stats.connections }),
    onAction,
    onFault,
  })
  const server = await listenOn(parts.tls.admin, {
    host,
    port,
    onRequest: httpListener(app),
    onUnreadable: unreadableBody,
  })
  return {
    address: { host: server.host, port: server.port },
    async close() {
      await server.close({ graceMs: CLOSE_GRACE_MS })
      watched.stop()
    },
  }
}

function metricsOf(parts: NodeParts, readProcess: () => ProcessReadings): MetricsSource[] {
  const { node, gateway, platform, tls, version, httpLatency, links } = parts
  return [
    nodeMetrics(node.replica, gateway.stats, version, httpLatency),
    groupMetrics(() => groupReadings(node, links())),
    storageMetrics(storageReadings(node, platform.files)),
    processMetrics(readProcess),
    certificateMetrics(() => certificates(tls)),
    authenticationMetrics(() => parts.authentication.attempts),
  ]
}

function healthOf({ node }: NodeParts): NodeHealth {
  const { replica, log } = node
  const { drift } = replica.inspect()
  return {
    storage: replica.failure?.message ?? (log.state === 'latched' ? 'a write to the log has failed' : undefined),
    unjoined: replica.unjoinedReason,
    fenced: drift === undefined ? undefined : 'the state differs from that of its peers',
    startProgress: 1,
  }
}
