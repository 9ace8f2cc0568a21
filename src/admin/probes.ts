import type { NodeService } from '../model/index.ts'
import type { Clock } from '../platform/index.ts'

/** What the parts of a node say of themselves; a text says what is wrong, in words that may be public. */
export interface NodeHealth {
  /** The log or the state machine has failed for good. */
  storage: string | undefined
  /** The node belongs to no cluster. */
  unjoined: string | undefined
  /** Its state differs from its peers'. */
  fenced: string | undefined
  /** The share of the start that is done, 0 to 1; 1 = started. */
  startProgress: number
}

export interface ProbesOptions {
  service: NodeService
  clock: Clock
  health: () => NodeHealth
}

/** A check and why it fails. */
export interface CheckResult {
  name: string
  failure: string | undefined
}

/** An election must not empty the service: a lost leader counts only after this long. */
const LEADER_GRACE_MS = 10_000
/** Entries that may be committed and not yet applied. */
const APPLIED_LAG_MAX = 4_096

export type ProbeName = 'livez' | 'readyz' | 'startupz'

/**
 * The checks behind the probes. Alive is this process's own affair and never depends on others: restarting a node does not bring a
 * quorum back. Ready means that requests sent here are served.
 */
export class Probes {
  readonly #options: ProbesOptions
  #leaderSeenMs = Number.NEGATIVE_INFINITY
  readonly #stopListening: () => void

  constructor(options: ProbesOptions) {
    this.#options = options
    let { leaderId } = options.service.topology
    this.#stopListening = options.service.onTopology(topology => {
      if (leaderId !== 0 || topology.leaderId !== 0) this.#leaderSeenMs = options.clock.monotonicMs()
      leaderId = topology.leaderId
    })
  }

  /** @returns the checks of a probe, in a fixed order */
  checks(probe: ProbeName): CheckResult[] {
    const health = this.#options.health()
    const storage = { name: 'storage', failure: health.storage }
    const started = {
      name: 'started',
      failure:
        health.startProgress >= 1 ? undefined : `${Math.floor(health.startProgress * 100)} % of the start is done`,
    }
    if (probe === 'livez') return [storage]
    if (probe === 'startupz') return [storage, started]
    const status = this.#options.service.status()
    const lag = status.commitSeq - status.appliedSeq
    return [
      storage,
      started,
      {
        name: 'joined',
        failure:
          health.unjoined ??
          (status.role === 'unjoined' || status.historyId === '' ? 'belongs to no cluster' : undefined),
      },
      { name: 'leader', failure: this.#leaderFailure() },
      { name: 'applied', failure: lag > APPLIED_LAG_MAX ? `${lag} committed entries are not applied yet` : undefined },
      { name: 'log', failure: status.role === 'suspect' ? 'the end of the log is in doubt' : undefined },
      { name: 'fenced', failure: health.fenced },
      { name: 'draining', failure: this.#options.service.isDraining ? 'the node is being drained' : undefined },
    ]
  }

  get isLeader(): boolean {
    const { role } = this.#options.service.status()
    return role === 'leader' || role === 'alone'
  }

  #leaderFailure(): string | undefined {
    const { service, clock } = this.#options
    const nowMs = clock.monotonicMs()
    if (service.topology.leaderId !== 0) {
      this.#leaderSeenMs = nowMs
      return undefined
    }
    if (nowMs - this.#leaderSeenMs < LEADER_GRACE_MS) return undefined
    return 'no leader is known'
  }

  close(): void {
    this.#stopListening()
  }
}
