import type { LatencyHistogram, NodeService } from '../model/index.ts'
import { counter, gauge, histogram, labelled } from './metrics.ts'
import type { MetricFamily, MetricsSource } from './metrics.ts'

/** What the gateway counts (transport/gateway has the same fields). */
export interface DoorCounters {
  readonly connections: number
  readonly views: number
  readonly watches: number
  readonly connectionsTotal: number
  readonly refusedTotal: number
  readonly unauthenticatedTotal: number
  readonly malformedTotal: number
  readonly slowClosedTotal: number
  readonly idleClosedTotal: number
  readonly framesReceivedTotal: number
  readonly framesSentTotal: number
  readonly bytesReceivedTotal: number
  readonly bytesSentTotal: number
  readonly commitsTotal: number
  readonly readsTotal: number
  readonly watchesTotal: number
  readonly errorsTotal: number
  readonly commitLatency: LatencyHistogram
  readonly readLatency: LatencyHistogram
}

/** The replica as its doors see it, and the gateway's counters. */
export function nodeMetrics(
  service: NodeService,
  clients?: DoorCounters,
  version: string = '',
  http?: LatencyHistogram,
): MetricsSource {
  let leaderChanges = 0
  let { leaderId } = service.topology
  service.onTopology(topology => {
    if (topology.leaderId !== 0 && topology.leaderId !== leaderId) leaderChanges++
    if (topology.leaderId !== 0) leaderId = topology.leaderId
  })
  return {
    collect(): readonly MetricFamily[] {
      const status = service.status()
      const voters = status.members.filter(({ role }) => role === 'voter').length
      return [
        {
          name: 'quorate_build_info',
          help: 'Version, always 1',
          type: 'gauge',
          samples: [{ value: 1, labels: { version } }],
        },
        gauge('quorate_server_has_leader', '1 if a leader is known', status.leader === undefined ? 0 : 1),
        gauge(
          'quorate_server_is_leader',
          '1 on the leader',
          status.role === 'leader' || status.role === 'alone' ? 1 : 0,
        ),
        counter('quorate_server_leader_changes_seen_total', 'Leaders that followed another one', leaderChanges),
        gauge('quorate_server_voters', 'Members that vote', voters),
        gauge('quorate_server_learners', 'Members that do not vote', status.members.length - voters),
        gauge('quorate_server_is_draining', '1 while the node is drained', service.isDraining ? 1 : 0),
        gauge('quorate_server_leader_time_seconds', 'Newest leader time known here', service.leaderTimeMicros / 1e6),
        ...(clients === undefined ? [] : clientMetrics(clients)),
        ...requestLatencies(clients, http),
      ]
    },
  }
}

function clientMetrics(clients: DoorCounters): MetricFamily[] {
  const requests = 'quorate_client_requests_total'
  const closed = 'quorate_client_connections_closed_total'
  return [
    gauge('quorate_client_connections', 'Open client connections', clients.connections),
    gauge('quorate_client_views', 'Open views', clients.views),
    gauge('quorate_client_watches', 'Open watches', clients.watches),
    counter('quorate_client_connections_total', 'Client connections that were opened', clients.connectionsTotal),
    labelled('counter', requests, 'Requests of clients', 'method', [
      ['commit', clients.commitsTotal],
      ['read', clients.readsTotal],
      ['watch', clients.watchesTotal],
    ]),
    labelled('counter', closed, 'Client connections that this node ended', 'reason', [
      ['refused', clients.refusedTotal],
      ['unauthenticated', clients.unauthenticatedTotal],
      ['slow', clients.slowClosedTotal],
      ['idle', clients.idleClosedTotal],
    ]),
    counter('quorate_client_malformed_total', 'Frames and messages that had not their form', clients.malformedTotal),
    counter('quorate_client_errors_total', 'Errors told to clients', clients.errorsTotal),
    counter('quorate_client_received_frames_total', 'Frames from clients', clients.framesReceivedTotal),
    counter('quorate_client_sent_frames_total', 'Frames to clients', clients.framesSentTotal),
    counter('quorate_client_received_bytes_total', 'Bytes from clients', clients.bytesReceivedTotal),
    counter('quorate_client_sent_bytes_total', 'Bytes to clients', clients.bytesSentTotal),
  ]
}

/** One family for all doors. */
function requestLatencies(clients: DoorCounters | undefined, http: LatencyHistogram | undefined): MetricFamily[] {
  const parts: [Record<string, string>, LatencyHistogram][] = []
  if (clients !== undefined) {
    parts.push([{ door: 'websocket', method: 'commit' }, clients.commitLatency])
    parts.push([{ door: 'websocket', method: 'read' }, clients.readLatency])
  }
  if (http !== undefined) parts.push([{ door: 'http', method: 'any' }, http])
  if (parts.length === 0) return []
  return [histogram('quorate_request_seconds', 'From the arrival of a request to its answer', parts)]
}
