import type { GroupReadings, NodeHealth, PeerReading, StorageReadings, RequestReadings } from '../admin/index.ts'
import type { DurationHistogram, DurationSummary } from '../model/index.ts'
import type { Clock, Files } from '../platform/index.ts'
import type { Replica } from '../raft/index.ts'
import type { PeerLinkStatus } from '../transport/peer/index.ts'
import type { ReplicaNode } from './open-replica.ts'
import type { StartProgress } from './start-progress.ts'

const CHANNELS = ['control', 'log', 'snapshot'] as const
const AREAS = ['log', 'pages', 'changes'] as const

/** What the metrics are told of log, pages and disk. */
export function storageReadings(
  { machine, log, directory, replica }: ReplicaNode,
  files: Files,
  progress: StartProgress,
): StorageReadings {
  return {
    log: () => ({
      frames: log.stats.frames,
      frameBytes: log.stats.frameBytes,
      syncLatency: log.stats.syncLatency,
      segments: log.segmentCount,
      memoryBytes: log.memoryBytes,
      firstSeq: log.base.seq + 1,
      lastSeq: log.lastSeq,
      syncedSeq: replica.inspect().core.storage.durableSeq,
      isSuspect: replica.inspect().core.recovery.kind !== 'clean',
      isLatched: log.state === 'latched',
    }),
    pages: () => {
      const { catalogBytes, sessionBytes } = machine.memory
      return { ...machine.keyspaceStats, isBusy: machine.isBusy, catalogBytes, sessionBytes }
    },
    checkpoints: () => ({ ...checkpointsOf(replica), seq: machine.newestCheckpointSeq }),
    opening: () => ({ ...progress.opening, replayMs: replica.inspect().replayMs }),
    disk: async () => ({
      fileBytes: await Promise.all(
        AREAS.map(async area => [area, await bytesBelow(files, `${directory.path}/${area}`)] as const),
      ),
      freeBytes: await files.freeBytes(directory.path),
    }),
  }
}

function checkpointsOf(replica: ReplicaNode['replica']): { count: number; ageMs: number; lastDurationMs: number } {
  const { count, ageMs, lastDurationMs } = replica.inspect().checkpoints
  return { count, ageMs, lastDurationMs }
}

/** Bytes of the files in a directory; one that is removed meanwhile has none. */
async function bytesBelow(files: Files, directory: string): Promise<number> {
  const names = await files.list(directory).catch(() => [])
  const sizes = await Promise.all(names.map(async name => files.size(`${directory}/${name}`).catch(() => 0)))
  return sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0)
}

/** Labels are written as the parameters of the HTTP door. */
const CONSISTENCIES = {
  linearizable: 'linearizable',
  lease: 'lease',
  maxStale: 'max_stale',
  minSeq: 'min_seq',
  atSeq: 'at_seq',
  checkpoint: 'checkpoint',
  local: 'local',
} as const

function leaderSilentMs(
  { role, lastLeaderContactMs }: ReturnType<Replica['inspect']>['core'],
  clock: Clock,
): number | undefined {
  if (role === 'leader') return 0
  return Number.isFinite(lastLeaderContactMs) ? clock.monotonicMs() - lastLeaderContactMs : undefined
}

/** What the metrics are told of the group. */
export function groupReadings(
  { machine, log, replica }: ReplicaNode,
  links: readonly PeerLinkStatus[],
  clock: Clock,
): GroupReadings {
  const { core, appliedSeq, waiting, resent, reads, snapshots, drift, dispute, elections, ...inside } =
    replica.inspect()
  const { clockOffsetMicros, peerClockOffsetMicros, groups, epochs, leaseMs, malformedFrames } = inside
  const { members } = replica.topology
  const peers = links.map((link): PeerReading => {
    const nodeId = members.find(({ name }) => name === link.name)?.nodeId
    const progress = nodeId === undefined ? undefined : core.leadership?.progress.get(nodeId)
    return {
      name: link.name,
      progress: progress && { matchSeq: progress.match, roundTripMs: progress.roundTripMs },
      links: CHANNELS.map(channel => [channel, link.openChannels.includes(channel)] as const),
      clockOffsetMicros: nodeId === undefined ? undefined : peerClockOffsetMicros(nodeId),
      queuedBytes: link.queuedBytes,
      sentBytes: link.counters.sentBytes,
      receivedBytes: link.counters.receivedBytes,
      unsentFrames: link.counters.fullQueues,
      openedLinks: link.counters.opened,
      silentLinks: link.counters.silent,
    }
  })
  return {
    role: core.role,
    term: core.term,
    commitSeq: Math.max(core.commit, core.heardCommit),
    appliedSeq,
    lastSeq: log.lastSeq,
    leaderSilentMs: leaderSilentMs(core, clock),
    clockOffsetMicros,
    electionsStarted: elections.started,
    electionsWon: elections.won,
    sessions: machine.sessionCount,
    sessionsOpened: machine.counters.sessions.opened,
    sessionsExpired: machine.counters.sessions.expired,
    leaseMs,
    groups,
    epochs,
    waiting,
    resent,
    malformedFrames,
    reads: Object.entries(reads).map(([kind, count]) => [CONSISTENCIES[kind as keyof typeof reads], count] as const),
    isFenced: drift !== undefined,
    disputedSeq: dispute?.seq,
    snapshots: {
      ...snapshots.ended,
      sendingBytes: snapshots.outgoing.map(({ bytes }) => bytes),
      receivingBytes: snapshots.incoming === undefined ? [] : [snapshots.incoming.bytes],
    },
    peers,
  }
}

/** What the probes are told of the parts of a node. */
export function healthReadings({ replica, log }: ReplicaNode, progress: StartProgress): NodeHealth {
  const { core, drift } = replica.inspect()
  const { leadership, commit, heardCommit } = core
  return {
    storage: replica.failure?.message ?? (log.state === 'latched' ? 'a write to the log has failed' : undefined),
    unjoined: replica.unjoinedReason,
    fenced: drift === undefined ? undefined : 'the state differs from that of its peers',
    start: progress.reading,
    // A new leader knows what is committed once an entry of its own term is (Raft thesis 3.6.2).
    knowsCommit: leadership === null ? heardCommit > 0 : commit >= leadership.termStartSeq,
  }
}

/** What the metrics are told of requests and projects. */
export function requestReadings({ machine, log, replica }: ReplicaNode, query: DurationHistogram): RequestReadings {
  const { durations, preflights: proposals } = replica.inspect()
  const { commit, apply } = durations
  const { repeated, preflights } = machine.counters
  return {
    commit,
    apply,
    sync: log.stats.syncDuration,
    query,
    committed: machine.counters.committed,
    refusals: machine.counters.refusals,
    repeated,
    preflights,
    proposals,
    slow: replica.slow.count,
    projects: machine.projectFigures(),
  }
}

/** For the status of a node. */
export function durationsOf({
  commit,
  apply,
  sync,
  query,
}: RequestReadings): Record<'commit' | 'apply' | 'sync' | 'query', DurationSummary> {
  return { commit: commit.summary(), apply: apply.summary(), sync: sync.summary(), query: query.summary() }
}
