import { counter, gauge, labelled } from './metrics.ts'
import type { MetricFamily, MetricsSource } from './metrics.ts'

/** Another member as this node sees it. */
export interface PeerReading {
  readonly name: string
  /** At the leader: how far it is, and how long its last answer took (0 = none yet). */
  readonly progress: { readonly matchSeq: number; readonly roundTripMs: number } | undefined
  /** Links by channel. */
  readonly links: readonly (readonly [channel: string, isOpen: boolean])[]
  readonly queuedBytes: number
  readonly sentBytes: number
}

export interface GroupReadings {
  readonly role: string
  readonly term: number
  readonly commitSeq: number
  readonly appliedSeq: number
  readonly lastSeq: number
  readonly electionsStarted: number
  readonly electionsWon: number
  readonly sessions: number
  /** Requests on this node without an outcome. */
  readonly waiting: number
  readonly isFenced: boolean
  readonly peers: readonly PeerReading[]
}

const ROLES = ['follower', 'preCandidate', 'candidate', 'leader'] as const

/** Consensus, sessions, and the other members. */
export function groupMetrics(read: () => GroupReadings): MetricsSource {
  return {
    collect: () => {
      const group = read()
      const roles = ROLES.map(role => [role, role === group.role ? 1 : 0] as const)
      return [
        labelled('gauge', 'quorate_raft_role', '1 for the role that this node has', 'role', roles),
        gauge('quorate_raft_term', 'Term', group.term),
        gauge('quorate_raft_commit_seq', 'Newest seq known to be committed', group.commitSeq),
        gauge('quorate_raft_applied_seq', 'Newest applied seq', group.appliedSeq),
        counter(
          'quorate_raft_elections_started_total',
          'Times that this node stood for election',
          group.electionsStarted,
        ),
        counter('quorate_raft_elections_won_total', 'Times that this node was elected', group.electionsWon),
        gauge('quorate_raft_is_fenced', '1 while the state differs from that of the peers', group.isFenced ? 1 : 0),
        gauge('quorate_sessions_open', 'Sessions of the whole group', group.sessions),
        gauge('quorate_requests_waiting', 'Requests on this node without an outcome', group.waiting),
        ...peerFamilies(group),
      ]
    },
  }
}

function peerFamilies({ peers, lastSeq }: GroupReadings): MetricFamily[] {
  const followed = peers.flatMap(({ name, progress }) => (progress === undefined ? [] : [{ name, ...progress }]))
  const match = followed.map(({ name, matchSeq }) => [name, matchSeq] as const)
  const lag = followed.map(({ name, matchSeq }) => [name, Math.max(0, lastSeq - matchSeq)] as const)
  const roundTrip = followed.map(({ name, roundTripMs }) => [name, roundTripMs / 1000] as const)
  return [
    labelled('gauge', 'quorate_peer_match_seq', 'At the leader: how far the log of a peer is synced', 'peer', match),
    labelled('gauge', 'quorate_peer_lag_entries', 'At the leader: entries that a peer lacks', 'peer', lag),
    labelled('gauge', 'quorate_peer_round_trip_seconds', 'At the leader: the last round trip', 'peer', roundTrip),
    {
      name: 'quorate_peer_link_is_open',
      help: '1 if the link of a channel can be used',
      type: 'gauge',
      samples: peers.flatMap(({ name, links }) =>
        links.map(([channel, isOpen]) => ({ value: isOpen ? 1 : 0, labels: { peer: name, channel } })),
      ),
    },
    labelled(
      'gauge',
      'quorate_peer_queued_bytes',
      'Bytes that wait on the links to a peer',
      'peer',
      peers.map(({ name, queuedBytes }) => [name, queuedBytes] as const),
    ),
    labelled(
      'counter',
      'quorate_peer_sent_bytes_total',
      'Bytes sent to a peer',
      'peer',
      peers.map(({ name, sentBytes }) => [name, sentBytes] as const),
    ),
  ]
}
