import type { SeededRandom } from '../../platform/simulated/index.ts'
import { checkCode, SimulatedClient } from './client.ts'
import type { Ending } from './client.ts'
import type { ClusterNode, SimulatedCluster } from './cluster.ts'
import type { EntryOracle } from './entry-oracle.ts'
import type { History } from './history.ts'
import { ROOT_CALLER } from '../../model/index.ts'
import { firstGrants } from './grant-writes.ts'
import { callerOf, PROJECT } from './names.ts'
import { Programs } from './programs/all-programs.ts'
import { SimulatedReader } from './reader.ts'
import { sampleLog } from './log-sample.ts'
import { TABLES } from './table-writes.ts'
import { SimulatedWatcher } from './watcher.ts'
import { hasTables } from './write-mix.ts'
import { drawWrite } from './writes.ts'

/** One clock faster and one slower by it differ by less than the core's `clockDriftBound`. */
const CLOCK_DRIFT_MAX = 0.02

/** All clients, readers and watchers of a run. */
export class Workload {
  readonly counts: Record<string, number> = { writes: 0, refusals: 0, unknown: 0, reads: 0, watched: 0, resets: 0 }
  readonly clients: readonly SimulatedClient[]
  readonly reader: SimulatedReader
  readonly #cluster: SimulatedCluster
  readonly #oracle: EntryOracle
  readonly #history: History
  readonly #random: SeededRandom
  readonly #watchers: SimulatedWatcher[] = []
  readonly #setup: SimulatedClient
  readonly #programs: Programs
  isSetUp = false
  #isFinishing = false
  #lastWritesLeft = 0

  constructor(cluster: SimulatedCluster, oracle: EntryOracle, history: History) {
    const { world, profile } = cluster
    this.#cluster = cluster
    this.#oracle = oracle
    this.#history = history
    this.#random = world.random.split('workload')
    const { clients, callers } = profile.workload
    this.#setup = new SimulatedClient('setup', cluster, oracle, history)
    // The first one is root's, and then a client of each caller, and one of root's again.
    const callerAt = (index: number): string => {
      const number = index % (callers + 1)
      return number === 0 ? ROOT_CALLER : callerOf(number)
    }
    this.clients = Array.from(
      { length: clients },
      (_, index) => new SimulatedClient(`c${index + 1}`, cluster, oracle, history, callerAt(index)),
    )
    this.reader = new SimulatedReader(cluster, oracle, history, this.counts)
    this.#programs = new Programs(cluster, oracle, history, this.counts)
  }

  /** Leases are of use where clocks run at about the same speed: two that differ by more than their bound may break them. */
  get #hasLeases(): boolean {
    return this.#cluster.profile.clockDrift <= CLOCK_DRIFT_MAX && this.#random.split('leases').chance(0.5)
  }

  /** Creates the project, then lets everybody begin. */
  begin(): void {
    const { sessionLifetimeMs, mix, callers } = this.#cluster.profile.workload
    const write = (): void => {
      if (!this.isSetUp) this.#setup.submit({ envelope: { mutations }, notAfterMs: 0, onEnd })
    }
    const setting = (name: string, value: number) =>
      ({ type: 'ddl', operation: { type: 'setSetting', name, value } }) as const
    const mutations = [
      { type: 'ddl', operation: { type: 'createProject', project: PROJECT, ifNotExists: true } } as const,
      ...(sessionLifetimeMs === 0 ? [] : [setting('sessionLifetimeMs', sessionLifetimeMs)]),
      ...(this.#hasLeases ? [setting('leaseReads', 1)] : []),
      ...(hasTables(mix) ? TABLES : []).map(
        operation => ({ type: 'ddl', operation: { ...operation, ifNotExists: true } }) as const,
      ),
      ...firstGrants(this.#random.split('first grants'), callers, hasTables(mix)),
    ]
    const onEnd = (ending: Ending): void => {
      // Its answers were lost, all of them: it can be asked for again, by the next session if this one is over.
      if (ending.type !== 'outcome') return this.#setup.hasSession ? write() : undefined
      if (ending.outcome.status !== 'committed') return
      this.isSetUp = true
      this.#start()
    }
    this.#setup.onSession = write
    this.#setup.connect()
  }

  #start(): void {
    const { world, profile } = this.#cluster
    for (const client of this.clients) {
      client.connect()
      this.#every(this.#random.split(client.name), profile.workload.meanGapMs, random => this.#write(client, random))
    }
    this.#every(this.#random.split('reads'), profile.workload.meanGapMs, () => this.reader.read())
    for (let index = 0; index < profile.workload.watchers; index++) {
      const watcher = new SimulatedWatcher(`w${index + 1}`, this.#cluster, this.#oracle)
      this.#watchers.push(watcher)
      watcher.begin()
    }
    this.#programs.begin()
    world.schedule(0, () => this.#cluster.trace.note('--- serving'))
  }

  #every(random: SeededRandom, meanGapMs: number, act: (random: SeededRandom) => void): void {
    const next = (): void => {
      this.#cluster.world.schedule(random.exponential(meanGapMs), () => {
        if (this.#isFinishing) return
        act(random)
        next()
      })
    }
    next()
  }

  #write(client: SimulatedClient, random: SeededRandom): void {
    if (!client.hasSession || client.openCount >= this.#cluster.profile.workload.pipeline) return
    if (random.chance(0.002)) return client.connect()
    const { world } = this.#cluster
    const write = drawWrite(random, this.#cluster.profile.workload, this.#oracle, this.reader, () =>
      sampleLog(
        this.#cluster.nodes.map(({ machine }) => machine.disk),
        random,
        this.#cluster.foreignFrame,
      ),
    )
    const calledAt = world.nowMs
    client.submit({
      envelope: write.envelope,
      notAfterMs: write.notAfterMs,
      onEnd: ending => {
        this.#count(ending)
        write.record?.(this.#history, ending, calledAt, world.nowMs)
      },
    })
  }

  #count(ending: Ending): void {
    this.counts['writes']!++
    this.counts['busy'] = this.clients.reduce((sum, { busy }) => sum + busy, 0)
    if (ending.type === 'unknown') this.counts['unknown']!++
    if (ending.type === 'outcome' && ending.outcome.status === 'refused') this.counts['refusals']!++
  }

  /** Nothing new is asked except one last write of each client: the group must serve again. */
  finish(): void {
    this.#isFinishing = true
    this.#programs.finish()
    for (const client of this.clients) {
      this.#lastWritesLeft++
      this.#lastWrite(client)
    }
  }

  #lastWrite(client: SimulatedClient): void {
    const { world } = this.#cluster
    if (!client.hasSession) {
      world.schedule(50, () => this.#lastWrite(client))
      return
    }
    client.submit({
      envelope: {
        mutations: [
          {
            type: 'kvSet',
            project: PROJECT,
            key: new TextEncoder().encode(`z${client.name}`),
            value: new Uint8Array(8),
          },
        ],
      },
      notAfterMs: 0,
      onEnd: ending => {
        if (isServed(client, ending)) this.#lastWritesLeft--
        else world.schedule(50, () => this.#lastWrite(client))
      },
    })
  }

  /** Every request has ended and the last writes were taken. */
  get isFinished(): boolean {
    if (this.#lastWritesLeft > 0 || this.reader.openCount > 0 || this.#programs.busyCount > 0) return false
    if (this.clients.some(client => client.openCount > 0)) return false
    for (const watcher of this.#watchers) watcher.judge()
    this.counts['watched'] = this.#watchers.reduce((sum, { commits }) => sum + commits, 0)
    this.counts['resets'] = this.#watchers.reduce((sum, { resets }) => sum + resets, 0)
    return true
  }

  /** What can be judged only when all is over. */
  checkEnd(): void {
    for (const client of this.clients) client.checkDenied()
    this.#programs.judge()
  }

  describeOpen(): string {
    const open = this.clients.map(client => `${client.name} waits for ${client.openCount}`)
    const programs = this.#programs.busyCount
    return `${open.join(', ')}, reads ${this.reader.openCount}, programs ${programs}, last writes ${this.#lastWritesLeft};`
  }

  checkError(owner: ClusterNode, error: unknown): void {
    checkCode(this.#cluster, owner, error)
  }
}

/** Whether the group has taken the write, or has said that there may be no more, or to whom it may say so that the permission is missing. */
function isServed({ caller }: SimulatedClient, ending: Ending): boolean {
  if (ending.type === 'unknown') return false
  if (ending.type === 'refused') return caller !== ROOT_CALLER && ending.error.code === 'permission_denied'
  const { outcome } = ending
  if (outcome.status === 'committed' || outcome.code === 'quota_exceeded') return true
  return caller !== ROOT_CALLER && outcome.code === 'permission_denied'
}
