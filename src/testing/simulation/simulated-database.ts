import { decodeEnvelope } from '../../encoding/index.ts'
import { createDatabase, QuorateError, ROOT_CALLER } from '../../model/index.ts'
import type {
  Consistency,
  CoreOptions,
  CoreOutcome,
  CoreRead,
  CoreView,
  CoreWatchEvent,
  Database,
  DatabaseCore,
  DatabaseStatus,
  ReadRequest,
  ReadResult,
  StateView,
} from '../../model/index.ts'
import type { SeededRandom, SimulatedProcess } from '../../platform/simulated/index.ts'
import { checkCode, SimulatedClient } from './client.ts'
import type { ClusterNode, SimulatedCluster } from './cluster.ts'
import type { EntryOracle } from './entry-oracle.ts'
import type { History } from './history.ts'
import { Violation } from './trace.ts'

/** So long a node is waited for, and a read in all, ms. */
const NODE_MS = 700
const READ_MS = 5_000
/** How far the leader time that a program estimates may be off, ms. */
export const ESTIMATE_OFF_MS = 20

/** A state that some node has pinned. */
interface SimulatedView extends CoreView {
  readonly owner: ClusterNode
  readonly host: SimulatedProcess
  readonly state: StateView
}

/**
 * The database as a program has it, over the simulated cluster: what the layers do with it (queues, leases, effects, transactions) is
 * their own code. Writes go the way of the simulated clients, so that every answer is compared with what the group applied; reads go to
 * any node.
 */
export class SimulatedCore implements DatabaseCore {
  readonly client: SimulatedClient
  readonly callTimeoutMs: number = READ_MS
  readonly time: DatabaseCore['time']
  readonly #cluster: SimulatedCluster
  readonly #oracle: EntryOracle
  readonly #history: History
  readonly #random: SeededRandom
  readonly #offMicros: number

  constructor(name: string, cluster: SimulatedCluster, oracle: EntryOracle, history: History) {
    this.#cluster = cluster
    this.#oracle = oracle
    this.#history = history
    this.client = new SimulatedClient(name, cluster, oracle, history)
    const random = cluster.world.random.split(`database ${name}`)
    this.#random = random
    this.#offMicros = Math.round(random.uniform(-ESTIMATE_OFF_MS, ESTIMATE_OFF_MS) * 1000)
    this.time = {
      monotonicMs: () => cluster.world.nowMs,
      random: () => random.float(),
      delay: (ms, signal) => this.#delay(ms, signal),
    }
  }

  /** The whole `Database` on it. */
  database(): Database {
    return createDatabase(this)
  }

  leaderTimeMicros(): number {
    return this.#oracle.reference.timeAt(this.#oracle.lastSeq) + this.#offMicros
  }

  #delay(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.#cluster.world.schedule(ms, resolve)
      signal?.addEventListener('abort', () => {
        timer.cancel()
        reject(new QuorateError('aborted', 'the wait was ended'))
      })
    })
  }

  async submit(envelope: Uint8Array, { timeoutMs }: CoreOptions): Promise<CoreOutcome> {
    while (!this.client.hasSession) await this.#delay(20)
    return new Promise((resolve, reject) => {
      this.client.submit({
        envelope: decodeEnvelope(envelope),
        notAfterMs: timeoutMs ?? 0,
        onEnd: ending => {
          if (ending.type === 'outcome') resolve({ outcome: ending.bytes, historyId: this.#historyId })
          else if (ending.type === 'refused') reject(ending.error)
          else reject(new QuorateError('timeout', 'nobody knows', { applied: 'unknown', retryable: true }))
        },
      })
    })
  }

  /** All nodes have one history, and none is restored. */
  get #historyId(): string {
    return this.#cluster.nodes.find(({ node }) => node !== undefined)?.node?.service.historyId ?? '0'.repeat(32)
  }

  async read(request: ReadRequest, options: CoreOptions & { view?: CoreView }): Promise<CoreRead> {
    if (options.view !== undefined) {
      const view = options.view as SimulatedView
      return { result: await this.#readView(view, request), seq: view.seq, historyId: view.historyId }
    }
    const untilMs = this.#cluster.world.nowMs + READ_MS
    for (;;) {
      const view = await this.openView(options)
      try {
        return { result: await this.#readView(view, request), seq: view.seq, historyId: view.historyId }
      } catch (error) {
        const isLost = error instanceof QuorateError && error.code === 'view_expired'
        if (!isLost || this.#cluster.world.nowMs >= untilMs) throw error
      } finally {
        await view.close()
      }
    }
  }

  /** Tries one node after the other. */
  async openView({ consistency = 'linearizable' }: CoreOptions): Promise<SimulatedView> {
    const { world, nodes } = this.#cluster
    const untilMs = world.nowMs + READ_MS
    for (;;) {
      const found = await this.#openAt(this.#random.pick(nodes), consistency)
      if (typeof found === 'object' && 'state' in found) return found
      if (world.nowMs >= untilMs) {
        throw found ?? new QuorateError('unavailable', 'no node answers', { retryable: true })
      }
      await this.#delay(this.#random.uniform(5, 60))
    }
  }

  /** Undefined: it does not answer. */
  #openAt(owner: ClusterNode, consistency: Consistency): Promise<SimulatedView | QuorateError | undefined> {
    const { world } = this.#cluster
    const { host } = owner
    const { floor } = this.#history
    return new Promise(resolve => {
      if (host === undefined || owner.node === undefined) return resolve(undefined)
      let isOver = false
      world.schedule(NODE_MS + 300, () => {
        isOver = true
        resolve(undefined)
      })
      const onArrival = (): void => {
        owner.node?.service.whenReadable(consistency, host.clock.monotonicMs() + NODE_MS, (state, error) => {
          if (host.state === 'dead') return
          if (state === undefined) {
            checkCode(this.#cluster, owner, error)
            return resolve(error)
          }
          if (isOver) return state.release()
          this.#checkView(owner, state, consistency, floor)
          resolve(this.#pin(owner, host, state))
        })
      }
      world.schedule(this.#random.uniform(0.05, 1), onArrival, host)
    })
  }

  #checkView(owner: ClusterNode, { seq }: StateView, consistency: Consistency, floor: number): void {
    const isWrong = owner.isWiped || owner.inspect()?.isFenced === true
    if (isWrong) this.#cluster.fail(new Violation(`${owner.name} answers a program, and may not answer anybody`))
    if (consistency !== 'linearizable') return
    if (seq < floor) {
      this.#cluster.fail(new Violation(`a program reads ${seq} at ${owner.name}, and ${floor} was acknowledged before`))
    }
    this.#history.told(this.#cluster.world.nowMs, seq)
  }

  #pin(owner: ClusterNode, host: SimulatedProcess, state: StateView): SimulatedView {
    const { world } = this.#cluster
    const close = (): Promise<void> => {
      if (host.state !== 'dead') world.schedule(0, () => state.release(), host)
      return Promise.resolve()
    }
    return { owner, host, state, seq: state.seq, historyId: this.#historyId, close }
  }

  #readView({ owner, host, state }: SimulatedView, request: ReadRequest): Promise<ReadResult> {
    const { world } = this.#cluster
    return new Promise((resolve, reject) => {
      const lose = (): void => reject(new QuorateError('view_expired', 'the node does not answer any more'))
      if (host.state === 'dead') return lose()
      host.onDeath(lose)
      world.schedule(READ_MS, lose)
      const onFailure = (error: unknown): void => {
        if (host.state === 'dead') return lose()
        checkCode(this.#cluster, owner, error)
        // What a damaged disk makes of a read is no answer.
        if (error instanceof QuorateError && error.code !== 'internal') reject(error)
        else lose()
      }
      const onArrival = (): void => {
        new Promise<ReadResult>(answer => {
          answer(state.read(request, ROOT_CALLER))
        }).then(
          result => world.schedule(this.#random.uniform(0.05, 1), () => resolve(result)),
          (error: unknown) => onFailure(error),
        )
      }
      world.schedule(this.#random.uniform(0.05, 1), onArrival, host)
    })
  }

  watch(): AsyncIterable<CoreWatchEvent> {
    throw new QuorateError('invalid_argument', 'simulated programs do not watch')
  }

  outcome(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  status(): Promise<DatabaseStatus> {
    return Promise.reject(new QuorateError('unavailable', 'simulated programs do not ask'))
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}
