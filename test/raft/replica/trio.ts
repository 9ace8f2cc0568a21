import assert from 'node:assert/strict'
import {
  decodeOutcome,
  encodeEnvelope,
  encodeRequest,
  type Outcome,
  type TransactionEnvelope,
} from '../../../src/encoding/index.ts'
import type { KeyspaceMutants, StateMachineTuning } from '../../../src/engine/index.ts'
import { LOG_WRITER_JOB, startLogWriter } from '../../../src/log/index.ts'
import type {
  Consistency,
  PeerChannel,
  PeerIdentity,
  PeerTransport,
  ReadResult,
  StateView,
} from '../../../src/model/index.ts'
import { openReplicaNode } from '../../../src/node/index.ts'
import type { ReplicaNode, StorageOptions } from '../../../src/node/index.ts'
import type { ReplicaOptions } from '../../../src/raft/index.ts'
import type { JobContext, StartJob } from '../../../src/platform/index.ts'
import { drainMicrotasks } from '../../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../../src/platform/simulated/index.ts'
import type { SimulatedProcess } from '../../../src/platform/simulated/index.ts'

const SMALL: StorageOptions = {
  pageBytes: 4096,
  budgetBytes: 1 << 20,
  segmentBytes: 64 << 10,
  lane: 'worker',
  checkpointLogBytes: 64 << 10,
  checkpointAgeMs: 5_000,
}

/** Links without faults: each frame arrives a millisecond later, unless one of the nodes is cut off or gone. */
class Wire {
  readonly world: SimulatedWorld
  readonly transports = new Map<string, MemoryTransport>()
  readonly cutOff = new Set<string>()
  /** Links whose queue is full: they take no frame and stay open. */
  readonly full = new Set<`${string} ${string} ${PeerChannel}`>()

  constructor(world: SimulatedWorld) {
    this.world = world
  }

  isOpen(a: string, b: string): boolean {
    return !this.cutOff.has(a) && !this.cutOff.has(b) && this.transports.has(a) && this.transports.has(b)
  }
}

class MemoryTransport implements PeerTransport {
  onFrame: PeerTransport['onFrame'] = undefined
  onLink: PeerTransport['onLink'] = undefined
  onRefusal: PeerTransport['onRefusal'] = undefined
  readonly #wire: Wire
  readonly #name: string
  readonly #process: SimulatedProcess
  readonly identity: () => PeerIdentity

  constructor(wire: Wire, name: string, process: SimulatedProcess, identity: () => PeerIdentity) {
    this.#wire = wire
    this.#name = name
    this.#process = process
    this.identity = identity
  }

  start(): Promise<void> {
    this.#wire.transports.set(this.#name, this)
    for (const peer of this.#wire.transports.values()) if (peer !== this) this.#tell(peer, true)
    return Promise.resolve()
  }

  #tell(peer: MemoryTransport, isOpen: boolean): void {
    for (const channel of ['control', 'log', 'snapshot'] as const) {
      this.#wire.world.schedule(1, () => this.onLink?.(peer.#name, channel, isOpen), this.#process)
      this.#wire.world.schedule(1, () => peer.onLink?.(this.#name, channel, isOpen), peer.#process)
    }
  }

  send(to: string, channel: PeerChannel, frame: Uint8Array): boolean {
    if (!this.#wire.isOpen(this.#name, to) || this.#wire.full.has(`${this.#name} ${to} ${channel}`)) return false
    const peer = this.#wire.transports.get(to)!
    const deliver = (): void => {
      if (this.#wire.isOpen(this.#name, to)) peer.onFrame?.(this.#name, channel, frame)
    }
    this.#wire.world.schedule(1, deliver, peer.#process)
    return true
  }

  bufferedBytes(): number {
    return 0
  }

  identityOf(peer: string): PeerIdentity | undefined {
    return this.#wire.isOpen(this.#name, peer) ? this.#wire.transports.get(peer)!.identity() : undefined
  }

  identityChanged(): void {}

  close(): Promise<void> {
    if (this.#wire.transports.get(this.#name) === this) this.#wire.transports.delete(this.#name)
    return Promise.resolve()
  }
}

export const NAMES = ['n1', 'n2', 'n3'] as const

/** Three whole nodes on virtual time, without faults but those that a test makes. */
export class Trio {
  readonly world: SimulatedWorld
  readonly wire: Wire
  readonly machines: Map<string, SimulatedMachine>
  readonly nodes = new Map<string, ReplicaNode>()
  readonly failures: Error[] = []
  /** What a leader was told that nobody can decide. */
  /** Fences that nodes have put up, and taken down (no seq). */
  readonly fences: { at: string; seq: number | undefined }[] = []
  readonly disputes: ({ at: string } & Parameters<NonNullable<ReplicaOptions['onDispute']>>[0])[] = []
  /** The code of each log's thread. */
  startLog: StartJob = startLogWriter
  /** What each node's state machine is opened with. */
  tuning: (name: string) => StateMachineTuning = () => ({})
  /** Bugs of a node's pages. */
  keyspaceMutants: (name: string) => KeyspaceMutants = () => ({})
  readonly #storage: StorageOptions
  #serials = new Map<number, number>()

  constructor(seed: number | SimulatedWorld, storage: Partial<StorageOptions> = {}) {
    this.#storage = { ...SMALL, ...storage }
    this.world = typeof seed === 'number' ? new SimulatedWorld({ seed, drainMicrotasks }) : seed
    this.wire = new Wire(this.world)
    const jobs = { [LOG_WRITER_JOB]: (context: JobContext) => this.startLog(context) }
    this.machines = new Map(NAMES.map(name => [name, new SimulatedMachine(this.world, { name, jobs })]))
  }

  async start(...names: string[]): Promise<void> {
    for (const name of names.length === 0 ? NAMES : names) await this.world.runToCompletion(this.open(name))
  }

  /** Opens a node while somebody else runs the world. */
  async open(name: string): Promise<void> {
    const process = this.machines.get(name)!.start()
    const node = await openReplicaNode({
      platform: process,
      directory: '/data',
      name,
      members: NAMES.map(member => ({ name: member, peerAddress: `${member}:1`, clientAddress: `${member}:2` })),
      createTransport: identity => new MemoryTransport(this.wire, name, process, identity),
      storage: this.#storage,
      tuning: this.tuning(name),
      keyspaceMutants: this.keyspaceMutants(name),
      onFence: drift => this.fences.push({ at: name, seq: drift?.seq }),
      onDispute: dispute => this.disputes.push({ at: name, ...dispute }),
      onFatal: error => this.failures.push(error),
    })
    this.nodes.set(name, node)
  }

  crash(name: string): void {
    this.nodes.delete(name)
    this.wire.transports.delete(name)
    this.machines.get(name)!.crash('power')
  }

  node(name: string): ReplicaNode {
    return this.nodes.get(name)!
  }

  async until(what: string, isTrue: () => boolean, limitMs = 10_000): Promise<void> {
    await this.world.runWhileNot(() => isTrue() || this.failures.length > 0, this.world.nowMs + limitMs)
    const [failure] = this.failures
    if (failure !== undefined) throw failure
    assert.ok(isTrue(), `${what}: not within ${limitMs} virtual ms`)
  }

  get leader(): string | undefined {
    return [...this.nodes].find(([, { replica }]) => replica.inspect().core.role === 'leader')?.[0]
  }

  /** Waits for a leader that has committed in its term, known to all that run. */
  async untilLed(): Promise<string> {
    await this.until('a leader', () => {
      const { leader } = this
      if (leader === undefined) return false
      const { core } = this.node(leader).replica.inspect()
      const seen = [...this.nodes.values()].map(({ replica }) => replica.inspect().core)
      return seen.every(
        other => other.leader === core.id && other.commit >= (core.leadership?.termStartSeq ?? Infinity),
      )
    })
    return this.leader!
  }

  async openSession(at: string, caller = 'root'): Promise<number> {
    const nonce = Uint8Array.from({ length: 16 }, () => this.world.random.below(256))
    return this.world.runToCompletion(this.node(at).replica.openSession({ caller, kind: 'client', nonce }, 5_000))
  }

  /** Encodes the next request of a session. */
  request(session: number, envelope: TransactionEnvelope, copy = 0, serial?: number): Uint8Array {
    const next = serial ?? (this.#serials.get(session) ?? 0) + 1
    this.#serials.set(session, Math.max(next, this.#serials.get(session) ?? 0))
    const header = { caller: 'root', session, serial: next, acknowledgedThrough: 0, notAfterMicros: 0, copy }
    return encodeRequest(header, encodeEnvelope(envelope))
  }

  submit(at: string, request: Uint8Array): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      this.node(at).replica.submit(request, (outcome, error) =>
        outcome === undefined ? reject(error!) : resolve(decodeOutcome(outcome)),
      )
    })
  }

  commit(at: string, session: number, envelope: TransactionEnvelope): Promise<Outcome> {
    return this.world.runToCompletion(this.submit(at, this.request(session, envelope)))
  }

  async read(at: string, key: Uint8Array, consistency: Consistency = 'linearizable'): Promise<Uint8Array | undefined> {
    const replica = this.node(at).replica
    const deadlineMs = this.machines.get(at)!.process!.clock.monotonicMs() + 5_000
    const view = await this.world.runToCompletion(
      new Promise<StateView>((resolve, reject) =>
        replica.whenReadable(consistency, deadlineMs, (found, error) =>
          found === undefined ? reject(error!) : resolve(found),
        ),
      ),
    )
    const result = await this.world.runToCompletion<ReadResult>(
      Promise.resolve(view.read({ type: 'get', project: 'p', scope: 'app', keys: [key] }, 'root')),
    )
    view.release()
    assert.equal(result.type, 'get')
    return result.type === 'get' ? result.entries[0]?.value : undefined
  }
}
