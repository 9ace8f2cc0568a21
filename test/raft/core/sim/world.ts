import {
  activeConfiguration,
  InvariantViolation,
  type Configuration,
  type Message,
  type NodeId,
} from '../../../../src/raft/core/index.ts'
import type { Settings } from '../../../../src/raft/core/index.ts'
import { makeEntry, type SimEntry } from './entries.ts'
import { changeConfiguration, injectFault } from './faults.ts'
import { Network, type NetworkProfile } from './network.ts'
import { SimNode, type Surroundings } from './node.ts'
import { Oracle, OracleViolation } from './oracle.ts'
import { Promises } from './promises.ts'
import { EventQueue } from './queue.ts'
import { Chance } from './random.ts'

/** Fault classes; each seed switches every one off with probability 1/2, so that rare mixtures get deep runs. */
export interface FaultClasses {
  readonly hasPartitions: boolean
  readonly hasCrashes: boolean
  readonly hasPauses: boolean
  readonly hasStalls: boolean
  readonly hasTransfers: boolean
  readonly hasChanges: boolean
  readonly hasCompaction: boolean
  readonly hasSuspects: boolean
  readonly hasLiar: boolean
  readonly hasLateMessages: boolean
  /** Only dramas, one after the other on an otherwise healthy group (dramas.ts). */
  readonly isStaged: boolean
}

export interface Profile {
  readonly nodeCount: number
  readonly voterCount: number
  readonly faults: FaultClasses
  readonly network: NetworkProfile
  readonly settings: Partial<Settings>
  readonly meanFaultGapMs: number
  readonly meanProposalGapMs: number
  readonly meanReadGapMs: number
  readonly syncMs: number
  readonly drift: number
}

export interface RunResult {
  readonly seed: number
  /** Equal for equal seeds and code. */
  readonly hash: string
  readonly failure: string | null
  readonly profile: Profile
  readonly counts: Oracle['counts']
  readonly trace: readonly string[]
}

const TROUBLE_MS = 9_000
const HEALING_MS = 12_000

/** Three healthy members with leases and a slow disk, on which dramas are staged. */
function stagedProfile(chance: Chance): Profile {
  const profile = drawMixedProfile(chance)
  const on = { hasPartitions: true, hasCrashes: true, hasPauses: true, hasTransfers: true, hasLiar: true }
  const off = { hasStalls: false, hasChanges: false, hasCompaction: false, hasLateMessages: false }
  return {
    ...profile,
    nodeCount: 3,
    voterCount: 3,
    faults: { ...profile.faults, ...on, ...off, isStaged: true },
    network: { ...profile.network, minDelayMs: 0.2, meanDelayMs: chance.pick([0.3, 1, 3]), loss: 0, lateness: 0 },
    settings: { isLeaseAllowed: chance.isTrue(0.6) },
    meanFaultGapMs: 1_200,
    meanProposalGapMs: chance.pick([5, 20]),
    syncMs: chance.pick([0.2, 2, 15]),
    drift: 0.02,
  }
}

function drawProfile(chance: Chance): Profile {
  return chance.isTrue(0.3) ? stagedProfile(chance) : drawMixedProfile(chance)
}

function drawMixedProfile(chance: Chance): Profile {
  const nodeCount = chance.pick([3, 3, 3, 4, 5, 5])
  const on = (): boolean => chance.isTrue(0.5)
  const hasLateMessages = on()
  const faults: FaultClasses = {
    hasPartitions: on(),
    hasCrashes: on(),
    hasPauses: on(),
    hasStalls: on(),
    hasTransfers: on(),
    hasChanges: on() && nodeCount > 3,
    hasCompaction: on(),
    hasSuspects: on(),
    hasLiar: chance.isTrue(0.3) && nodeCount === 3,
    hasLateMessages,
    isStaged: false,
  }
  const isLossy = on()
  const isLeaseAllowed = on()
  const network: NetworkProfile = {
    minDelayMs: chance.pick([0, 0.2, 2, 10]),
    meanDelayMs: chance.pick([0.3, 1, 5, 20]),
    loss: isLossy ? chance.pick([0.01, 0.05, 0.2]) : 0,
    duplication: isLossy ? chance.pick([0.02, 0.2]) : 0,
    lateness: hasLateMessages ? chance.pick([0.01, 0.05]) : 0,
    lateMs: chance.pick([100, 1_000, 3_000]),
    isOrdered: on(),
  }
  const isTight = on()
  const settings: Partial<Settings> = {
    isLeaseAllowed,
    maxAppendEntries: chance.pick([2, 8, 64]),
    maxAppendBytes: chance.pick([200, 2_000, 100_000]),
    maxInflightMessages: isTight ? chance.pick([1, 2, 4]) : 64,
    maxInflightBytes: isTight ? chance.pick([300, 5_000]) : 1_000_000,
  }
  const commitDelayMs = chance.pick([0, 0, 3])
  return {
    nodeCount,
    voterCount: faults.hasChanges ? 3 : nodeCount,
    faults,
    network,
    settings: { ...settings, commitDelayMs },
    meanFaultGapMs: chance.pick([150, 400, 1_000]),
    meanProposalGapMs: chance.pick([5, 20, 60]),
    meanReadGapMs: chance.pick([10, 40]),
    syncMs: chance.pick([0.2, 2, 15, 60]),
    drift: isLeaseAllowed ? 0.02 : 0.05,
  }
}

/** One simulated group: a pure function of the seed and the code. */
export class World implements Surroundings {
  readonly queue = new EventQueue()
  readonly oracle = new Oracle()
  readonly promises = new Promises(
    id => this.node(id),
    id => this.isLiar(id),
  )
  readonly profile: Profile
  readonly settings: Partial<Settings>
  readonly nodes: SimNode[] = []
  readonly network: Network
  readonly chance: Chance
  readonly lines: string[] = []
  readonly #workload: Chance
  readonly #seed: number
  readonly #keepsTrace: boolean
  isHealing = false
  firstEntry: SimEntry | null = null
  #value = 1

  constructor(seed: number, keepsTrace: boolean) {
    this.#seed = seed
    this.#keepsTrace = keepsTrace
    this.profile = drawProfile(new Chance(seed, 0))
    this.settings = this.profile.settings
    this.chance = new Chance(seed, 1)
    this.#workload = new Chance(seed, 2)
    this.network = new Network(this.queue, new Chance(seed, 3), this.profile.network, message => this.#arrive(message))
    for (let id = 1; id <= this.profile.nodeCount; id++) {
      const node = new SimNode(id, this, new Chance(seed, 100 + id), this.profile.drift)
      node.syncMs = this.profile.syncMs
      this.nodes.push(node)
    }
    this.#bootstrap()
  }

  /** Writes entry 1 on the first node, as the bootstrap does; the others receive it. */
  #bootstrap(): void {
    const first = this.nodes[0]!
    const configuration = this.#firstConfiguration()
    this.firstEntry = makeEntry(1, 1, 0, { value: 0, configuration })
    first.disk.log.write({ resetTo: null, truncateFrom: null, entries: [this.firstEntry] })
    first.disk.hardState = { term: 1, vote: 0, commit: 0 }
    for (const node of this.nodes) node.start()
  }

  #firstConfiguration(): Configuration {
    const members = this.nodes.slice(0, this.profile.faults.hasChanges ? 4 : undefined).map(node => memberOf(node))
    const ids = members.map(member => member.id)
    const voters = ids.slice(0, this.profile.voterCount)
    const learners = ids.slice(this.profile.voterCount)
    return { historyId: 'history', members, voters, outgoing: [], learners, learnersNext: [] }
  }

  node(id: NodeId): SimNode | undefined {
    return this.nodes[id - 1]
  }

  isLiar(id: NodeId): boolean {
    return this.profile.faults.hasLiar && id === 1
  }

  /** Operators do not wait for what a new leader has to do first (M2). */
  onLeader(node: SimNode): void {
    if (this.profile.faults.hasChanges && !this.isHealing && this.chance.isTrue(0.3)) changeConfiguration(this, node)
  }

  trace(line: string): void {
    if (this.#keepsTrace) this.lines.push(`${this.queue.nowMs.toFixed(2)} ${line}`)
  }

  send(message: Message): void {
    if (this.#keepsTrace) this.trace(`  ${message.from}>${message.to} ${describe(message)}`)
    this.network.send(message)
  }

  #arrive(message: Message): void {
    this.oracle.note(message.from, message.to, message.term, message.type.length, Math.floor(this.queue.nowMs * 1000))
    this.node(message.to)?.give({ type: 'recv', message })
  }

  /** Trouble, then healing: everything must agree again, take a new write and a new read. */
  run(): RunResult {
    let failure: string | null = null
    try {
      this.#every(
        () => this.#workload.exponential(this.profile.meanProposalGapMs),
        () => this.#propose(),
      )
      this.#every(
        () => this.#workload.exponential(this.profile.meanReadGapMs),
        () => this.#read(),
      )
      this.#every(
        () => this.chance.exponential(this.profile.meanFaultGapMs),
        () => injectFault(this),
      )
      this.queue.runUntil(TROUBLE_MS)
      this.#heal()
      this.queue.runUntil(TROUBLE_MS + HEALING_MS, () => this.#isConverged())
      if (!this.#isConverged()) throw new OracleViolation(`no convergence: ${this.#describe()}`)
    } catch (error) {
      failure = describeFailure(error)
    }
    return {
      seed: this.#seed,
      hash: this.oracle.hash.toString(16).padStart(8, '0'),
      failure,
      profile: this.profile,
      counts: this.oracle.counts,
      trace: this.lines,
    }
  }

  #every(gapMs: () => number, act: () => void): void {
    const next = (): void => {
      this.queue.schedule(gapMs(), () => {
        if (this.isHealing) return
        act()
        next()
      })
    }
    next()
  }

  #propose(): void {
    const leaders = this.nodes.filter(node => node.isUp && node.isLeader)
    if (leaders.length > 0) this.#workload.pick(leaders).propose(++this.#value)
  }

  #read(): void {
    const up = this.nodes.filter(node => node.isUp)
    if (up.length === 0) return
    // Also at leaders that may be deposed, and preferably there: they are the ones that can be wrong.
    const leaders = up.filter(node => node.isLeader)
    const node =
      leaders.length > 0 && this.#workload.isTrue(0.5) ? this.#workload.pick(leaders) : this.#workload.pick(up)
    node.read(this.#workload.isTrue(0.5) ? 'lease' : 'index')
  }

  #healedAtCommit = 0

  #heal(): void {
    this.isHealing = true
    this.trace('--- heal')
    this.network.heal()
    // A window of one small message over a slow link would need minutes to catch up: that is arithmetic, not a bug.
    const quick = { minDelayMs: 0.2, meanDelayMs: 1, loss: 0, duplication: 0, lateness: 0 }
    this.network.profile = { ...this.network.profile, ...quick }
    for (const node of this.nodes) {
      node.stallUntilMs = 0
      node.syncMs = Math.min(node.syncMs, 5)
      if (node.isUp) node.resume()
      else node.start()
    }
    this.#healedAtCommit = this.oracle.maxCommit
    const nudge = (): void => {
      this.#propose()
      this.queue.schedule(200, nudge)
    }
    nudge()
  }

  /** A ready leader whose members have all applied more than was committed at healing time. */
  #isConverged(): boolean {
    if (!this.isHealing) return false
    const leader = this.nodes.find(node => node.isLeader && node.core?.state.told.isReady === true)
    const configuration =
      leader?.core === undefined || leader.core === null ? undefined : activeConfiguration(leader.core.state)
    if (leader === undefined || configuration === undefined) return false
    const goal = this.#healedAtCommit + 3
    if (configuration.outgoing.length > 0) return false
    return configuration.members.every(member => {
      const node = this.node(member.id)
      const state = node?.core?.state
      return (
        node !== undefined && node.appliedSeq >= goal && state?.leader === leader.id && state.recovery.kind === 'clean'
      )
    })
  }

  #describe(): string {
    return this.nodes
      .map(node => {
        const state = node.core?.state
        const configuration = state === undefined ? undefined : activeConfiguration(state)
        return `${node.id}:${state?.role}/${state?.term} leader=${state?.leader} commit=${state?.commit} last=${state?.log.lastSeq} applied=${node.appliedSeq} recovery=${state?.recovery.kind} install=${state?.pendingInstall?.seq} voters=${configuration?.voters.join('')}/${configuration?.outgoing.join('')}`
      })
      .join('; ')
  }
}

export function memberOf(node: SimNode): Configuration['members'][number] {
  return { id: node.id, name: `n${node.id}`, address: `n${node.id}:1`, directoryId: node.directoryId }
}

function describe(message: Message): string {
  return JSON.stringify(message, (key, value: unknown) => {
    if (key === 'entries' && value !== null) {
      const batch = value as { firstSeq: number; lastSeq: number }
      return `${batch.firstSeq}-${batch.lastSeq}`
    }
    return key === 'configuration' || key === 'from' || key === 'to' ? undefined : value
  })
}

function describeFailure(error: unknown): string {
  if (error instanceof InvariantViolation)
    return `invariant: ${error.message}${error.cause instanceof Error ? `\n${error.cause.stack}` : ''}`
  if (error instanceof OracleViolation) return `oracle: ${error.message}`
  return `crash: ${error instanceof Error ? error.stack : String(error)}`
}

/** Runs one seed. */
export function runSeed(seed: number, keepsTrace = false): RunResult {
  return new World(seed, keepsTrace).run()
}
