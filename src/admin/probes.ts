import type { NodeService } from '../model/index.ts'
import type { Clock, Timer, Timers } from '../platform/index.ts'
import { AppliedLag, DEFAULT_LAG_LIMITS } from './applied-lag.ts'
import type { LagLimits } from './applied-lag.ts'
import { LocalRead } from './local-read.ts'

/**
 * What a start is busy with, in this order: reading the whole directory for damage, opening it, applying what the log has as committed
 * beyond the newest checkpoint.
 */
export type StartPhase = 'check' | 'open' | 'replay' | 'started'

/** How far a start has come. */
export interface StartReading {
  readonly phase: StartPhase
  /** How much of the phase's work is done, 0 to 1. */
  readonly share: number
}

/** What the parts of a node say of themselves; a text says what is wrong, in words that may be public. */
export interface NodeHealth {
  /** The log or the state machine has failed for good. */
  storage: string | undefined
  /** The node belongs to no cluster. */
  unjoined: string | undefined
  /** Its state differs from its peers'. */
  fenced: string | undefined
  start: StartReading
  /** Since its start the node has heard from a leader what is committed, or leads and knows it. */
  knowsCommit: boolean
}

export interface ProbesOptions {
  service: NodeService
  clock: Clock
  timers: Timers
  health: () => NodeHealth
  /** Reads something of the local state, from its root down. */
  readLocal: () => Promise<unknown>
  /** Default `DEFAULT_LAG_LIMITS`. */
  readiness?: LagLimits
}

/** A check and why it fails. */
export interface CheckResult {
  name: string
  failure: string | undefined
}

export type ProbeName = 'livez' | 'readyz' | 'startupz'

/** `none`: it neither leads nor follows, for example while it starts, stands for election, or belongs to no cluster. */
export type ProbedRole = 'leader' | 'follower' | 'none'

/** What the probes ask. */
export interface ProbeSource {
  /** The checks of a probe, in a fixed order. */
  checks(probe: ProbeName): Promise<readonly CheckResult[]>
  readonly role: ProbedRole
  readonly start: StartReading
}

/** An election must not empty the service: a lost leader counts only after this long. */
const LEADER_GRACE_MS = 10_000
/** How often the lag is looked at, whoever asks. */
const LAG_EVERY_MS = 500

/**
 * The checks behind the probes. Alive is this process's own affair and never depends on others: restarting a node does not bring a
 * quorum back. Ready means that requests sent here are served.
 */
export class Probes implements ProbeSource {
  readonly #options: ProbesOptions
  #leaderSeenMs = Number.NEGATIVE_INFINITY
  readonly #lag: AppliedLag
  readonly #localRead: LocalRead
  readonly #stopListening: () => void
  #nextLook: Timer | undefined

  constructor(options: ProbesOptions) {
    this.#options = options
    const { service, clock, timers, readLocal: read, readiness = DEFAULT_LAG_LIMITS } = options
    this.#lag = new AppliedLag(readiness)
    this.#localRead = new LocalRead({ clock, timers, read })
    let { leaderId } = service.topology
    this.#stopListening = service.onTopology(topology => {
      if (leaderId !== 0 || topology.leaderId !== 0) this.#leaderSeenMs = clock.monotonicMs()
      leaderId = topology.leaderId
    })
    this.#look()
  }

  async checks(probe: ProbeName): Promise<readonly CheckResult[]> {
    const health = this.#options.health()
    const own = ownChecks(health)
    if (probe === 'livez') return own.slice(0, 1)
    if (probe === 'startupz') return own
    const status = this.#options.service.status()
    return [
      ...own,
      {
        name: 'joined',
        failure:
          health.unjoined ??
          (status.role === 'unjoined' || status.historyId === '' ? 'belongs to no cluster' : undefined),
      },
      { name: 'leader', failure: this.#leaderFailure() },
      { name: 'applied', failure: this.#lagFailure(health) },
      { name: 'log', failure: status.role === 'suspect' ? 'the end of the log is in doubt' : undefined },
      { name: 'read', failure: await this.#localRead.findFailure() },
      { name: 'fenced', failure: health.fenced },
      { name: 'draining', failure: this.#options.service.isDraining ? 'the node is being drained' : undefined },
    ]
  }

  get role(): ProbedRole {
    const { role } = this.#options.service.status()
    if (role === 'leader' || role === 'alone') return 'leader'
    return role === 'follower' ? 'follower' : 'none'
  }

  get start(): StartReading {
    return this.#options.health().start
  }

  /** Takes a look at the lag, and does so again and again. */
  #look(): void {
    this.#observe(this.#options.health())
    this.#nextLook = this.#options.timers.after(LAG_EVERY_MS, () => this.#look(), { background: true })
  }

  #observe({ knowsCommit }: NodeHealth): number {
    const { commitSeq, appliedSeq } = this.#options.service.status()
    const lag = commitSeq - appliedSeq
    this.#lag.observe(this.#options.clock.monotonicMs(), knowsCommit ? lag : undefined)
    return lag
  }

  #lagFailure(health: NodeHealth): string | undefined {
    const lag = this.#observe(health)
    if (!this.#lag.isBehind) return undefined
    return health.knowsCommit
      ? `${lag} committed entries are not applied yet`
      : 'how much is committed is not known here yet'
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
    this.#nextLook?.cancel()
    this.#stopListening()
  }
}

/** What a node says while it starts and has nothing yet that could be asked. */
export class StartingProbes implements ProbeSource {
  readonly role = 'none'
  readonly #read: () => StartReading

  constructor(read: () => StartReading) {
    this.#read = read
  }

  get start(): StartReading {
    return this.#read()
  }

  /** Of readiness only what is known already: everything else fails with `started`. */
  checks(probe: ProbeName): Promise<readonly CheckResult[]> {
    const checks = ownChecks({ storage: undefined, start: this.start })
    if (probe === 'livez') return Promise.resolve(checks.slice(0, 1))
    const others = probe === 'readyz' ? NAMES_WHEN_STARTED.map(name => ({ name, failure: 'not started yet' })) : []
    return Promise.resolve([...checks, ...others])
  }
}

/** The checks of readiness that need a started node. */
const NAMES_WHEN_STARTED = ['joined', 'leader', 'applied', 'log', 'read', 'fenced', 'draining'] as const

function ownChecks({ storage, start }: Pick<NodeHealth, 'storage' | 'start'>): [CheckResult, CheckResult] {
  const failure = start.phase === 'started' ? undefined : describeStart(start)
  return [
    { name: 'storage', failure: storage },
    { name: 'started', failure },
  ]
}

/** Whole percent, rounded down: 100 only when nothing is left. */
export function startPercent({ share }: StartReading): number {
  return Math.floor(Math.min(1, Math.max(0, share)) * 100)
}

/** In words: `the node is starting: replay, 42 % done`. */
export function describeStart(start: StartReading): string {
  return `the node is starting: ${start.phase}, ${startPercent(start)} % done`
}
