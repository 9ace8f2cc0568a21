import type { DurationHistogram } from '../model/index.ts'
import { countSummary, counter, gauge, labelled, summary } from './metrics.ts'
import type { MetricFamily, MetricsSource } from './metrics.ts'

/** Another member as this node sees it. */
export interface PeerReading {
  readonly name: string
  /** At the leader: how far it is, and how long its last answer took (0 = none yet). */
  readonly progress: { readonly matchSeq: number; readonly roundTripMs: number } | undefined
  /** Links by channel. */
  readonly links: readonly (readonly [channel: string, isOpen: boolean])[]
  /** How far its clock is ahead of the own one; undefined if it was not heard of lately. */
  readonly clockOffsetMicros: number | undefined
  readonly queuedBytes: number
  readonly sentBytes: number
  readonly receivedBytes: number
  /** Frames that a full queue did not take. */
  readonly unsentFrames: number
  readonly openedLinks: number
  /** Links that were closed because nothing was heard on them. */
  readonly silentLinks: number
}

export interface GroupReadings {
  readonly role: string
  readonly term: number
  /** The newest seq that this node, or a leader that it has heard of, calls committed. */
  readonly commitSeq: number
  readonly appliedSeq: number
  readonly lastSeq: number
  /** Since the leader was heard of; 0 at the leader, undefined if none was since the start. */
  readonly leaderSilentMs: number | undefined
  readonly clockOffsetMicros: number
  readonly electionsStarted: number
  readonly electionsWon: number
  readonly sessions: number
  /** As applied here since the start. */
  readonly sessionsOpened: number
  readonly sessionsExpired: number
  /** At the leader: for how long no other one can have been elected. */
  readonly leaseMs: number | undefined
  /** The groups of entries that this node has appended as leader. */
  readonly groups: {
    readonly drained: number
    readonly held: number
    readonly sizes: DurationHistogram
    readonly durableWaits: DurationHistogram
  }
  /** Entries that were applied together. */
  readonly epochs: DurationHistogram
  /** Requests on this node without an outcome. */
  readonly waiting: number
  /** Requests that came again. */
  readonly resent: number
  /** Of peers, that could not be read. */
  readonly malformedFrames: number
  /** Reads by what they may see. */
  readonly reads: readonly (readonly [consistency: string, count: number])[]
  readonly isFenced: boolean
  /** At a leader: where its state and a voter's differ, and no majority is known to have either. */
  readonly disputedSeq: number | undefined
  /** Snapshots to other members, and from them. */
  readonly snapshots: {
    readonly sent: number
    readonly sendFailed: number
    readonly installed: number
    readonly installFailed: number
    /** Bytes of each transfer under way that the receiver has taken. */
    readonly sendingBytes: readonly number[]
    readonly receivingBytes: readonly number[]
  }
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
        gauge('quorate_raft_commit_seq', 'Newest seq that a leader has called committed', group.commitSeq),
        gauge('quorate_raft_applied_seq', 'Newest applied seq', group.appliedSeq),
        gauge(
          'quorate_raft_lag_entries',
          'Entries that are committed, as far as known here, and not applied',
          Math.max(0, group.commitSeq - group.appliedSeq),
        ),
        {
          name: 'quorate_raft_leader_silent_seconds',
          help: 'Time since the leader was heard of; 0 at the leader, no sample before the first one',
          type: 'gauge',
          samples: group.leaderSilentMs === undefined ? [] : [{ value: group.leaderSilentMs / 1000 }],
        },
        gauge(
          'quorate_raft_clock_offset_seconds',
          'How far the own clock is ahead of the median of the voters; a follower goes by the median that its leader tells',
          group.clockOffsetMicros / 1e6,
        ),
        counter(
          'quorate_raft_elections_started_total',
          'Times that this node stood for election',
          group.electionsStarted,
        ),
        counter('quorate_raft_elections_won_total', 'Times that this node was elected', group.electionsWon),
        ...differenceFamilies(group),
        {
          name: 'quorate_raft_lease_remaining_seconds',
          help: 'At the leader: for how long no other one can have been elected, by what a majority has answered',
          type: 'gauge',
          samples: group.leaseMs === undefined ? [] : [{ value: group.leaseMs / 1000 }],
        },
        ...groupCommitFamilies(group),
        gauge('quorate_sessions_open', 'Sessions of the whole group', group.sessions),
        counter('quorate_sessions_opened_total', 'Sessions that were opened', group.sessionsOpened),
        counter(
          'quorate_sessions_expired_total',
          'Sessions that were ended: their time was over',
          group.sessionsExpired,
        ),
        gauge('quorate_requests_waiting', 'Requests on this node without an outcome', group.waiting),
        counter('quorate_requests_resent_total', 'Requests that were sent again', group.resent),
        counter(
          'quorate_peer_malformed_frames_total',
          'Frames of peers that could not be read and were dropped',
          group.malformedFrames,
        ),
        labelled('counter', 'quorate_reads_total', 'Reads by what they may see', 'consistency', group.reads),
        ...snapshotFamilies(group),
        ...peerFamilies(group),
      ]
    },
  }
}

/** What digests say of the states of the members. */
function differenceFamilies({ isFenced, disputedSeq }: GroupReadings): MetricFamily[] {
  return [
    gauge('quorate_raft_is_fenced', '1 while the state differs from that of the peers', isFenced ? 1 : 0),
    gauge(
      'quorate_raft_is_disputed',
      '1 at a leader while a voter has another state and no majority is known to have either',
      disputedSeq === undefined ? 0 : 1,
    ),
    {
      name: 'quorate_raft_disputed_seq',
      help: 'Newest seq at which that voter differs; no sample while none does',
      type: 'gauge',
      samples: disputedSeq === undefined ? [] : [{ value: disputedSeq }],
    },
  ]
}

function groupCommitFamilies({ groups, epochs }: GroupReadings): MetricFamily[] {
  return [
    labelled(
      'counter',
      'quorate_group_commits_total',
      'Groups of entries appended as leader, by why they went: drained, all that a turn had gathered; held, once the group took them',
      'reason',
      [
        ['drained', groups.drained],
        ['held', groups.held],
      ],
    ),
    countSummary('quorate_group_commit_entries', 'Entries of a group that was appended as leader', groups.sizes),
    summary(
      'quorate_durable_wait_duration_seconds',
      'From the append of a group by the leader until a majority has it synced',
      groups.durableWaits,
    ),
    countSummary('quorate_apply_epoch_entries', 'Entries that were applied and published together', epochs),
  ]
}

function snapshotFamilies({ snapshots }: GroupReadings): MetricFamily[] {
  const { sent, sendFailed, installed, installFailed, sendingBytes, receivingBytes } = snapshots
  const directions = (valueOf: (bytes: readonly number[]) => number): [string, number][] => [
    ['sent', valueOf(sendingBytes)],
    ['received', valueOf(receivingBytes)],
  ]
  const sum = (bytes: readonly number[]): number => bytes.reduce((total, each) => total + each, 0)
  return [
    labelled(
      'gauge',
      'quorate_snapshot_transfers',
      'Snapshots under way between this node and others',
      'direction',
      directions(bytes => bytes.length),
    ),
    labelled(
      'gauge',
      'quorate_snapshot_transfer_bytes',
      'What the receivers have taken of those under way',
      'direction',
      directions(sum),
    ),
    counter('quorate_snapshot_sent_total', 'Snapshots that a peer has taken from here', sent),
    counter('quorate_snapshot_send_failed_total', 'Snapshots that no peer has taken to the end', sendFailed),
    counter('quorate_snapshot_installed_total', 'Snapshots that have replaced the state here', installed),
    counter('quorate_snapshot_install_failed_total', 'Snapshots that were not installed here', installFailed),
  ]
}

function peerFamilies({ peers, lastSeq }: GroupReadings): MetricFamily[] {
  const followed = peers.flatMap(({ name, progress }) => (progress === undefined ? [] : [{ name, ...progress }]))
  const match = followed.map(({ name, matchSeq }) => [name, matchSeq] as const)
  const lag = followed.map(({ name, matchSeq }) => [name, Math.max(0, lastSeq - matchSeq)] as const)
  const roundTrip = followed.map(({ name, roundTripMs }) => [name, roundTripMs / 1000] as const)
  const ofPeers = (
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    valueOf: (peer: PeerReading) => number,
  ): MetricFamily =>
    labelled(
      type,
      name,
      help,
      'peer',
      peers.map(peer => [peer.name, valueOf(peer)] as const),
    )
  return [
    labelled('gauge', 'quorate_peer_match_seq', 'At the leader: how far the log of a peer is synced', 'peer', match),
    labelled('gauge', 'quorate_peer_lag_entries', 'At the leader: entries that a peer lacks', 'peer', lag),
    labelled('gauge', 'quorate_peer_round_trip_seconds', 'At the leader: the last round trip', 'peer', roundTrip),
    labelled(
      'gauge',
      'quorate_peer_clock_offset_seconds',
      'How far the clock of a peer is ahead of the own one',
      'peer',
      peers.flatMap(({ name, clockOffsetMicros: offset }) =>
        offset === undefined ? [] : [[name, offset / 1e6] as const],
      ),
    ),
    {
      name: 'quorate_peer_link_is_open',
      help: '1 if the link of a channel can be used',
      type: 'gauge',
      samples: peers.flatMap(({ name, links }) =>
        links.map(([channel, isOpen]) => ({ value: isOpen ? 1 : 0, labels: { peer: name, channel } })),
      ),
    },
    ofPeers('gauge', 'quorate_peer_queued_bytes', 'Bytes that wait on the links to a peer', peer => peer.queuedBytes),
    ofPeers('counter', 'quorate_peer_sent_bytes_total', 'Bytes sent to a peer', peer => peer.sentBytes),
    ofPeers('counter', 'quorate_peer_received_bytes_total', 'Bytes received from a peer', peer => peer.receivedBytes),
    ofPeers(
      'counter',
      'quorate_peer_unsent_frames_total',
      'Frames that a full queue to a peer did not take',
      peer => peer.unsentFrames,
    ),
    ofPeers('counter', 'quorate_peer_links_opened_total', 'Links to a peer that were opened', peer => peer.openedLinks),
    ofPeers(
      'counter',
      'quorate_peer_links_silent_total',
      'Links to a peer that were closed because nothing was heard',
      peer => peer.silentLinks,
    ),
  ]
}
