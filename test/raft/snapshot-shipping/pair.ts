import assert from 'node:assert/strict'
import { encodeConfiguration, EntryKind, MalformedBytes } from '../../../src/encoding/index.ts'
import type { SnapshotSink, StateMachine } from '../../../src/model/index.ts'
import { drainMicrotasks } from '../../../src/platform/node/index.ts'
import { SeededRandom, SimulatedClock, SimulatedTimers, SimulatedWorld } from '../../../src/platform/simulated/index.ts'
import type { SnapshotMeta } from '../../../src/raft/core/index.ts'
import { SnapshotShipping } from '../../../src/raft/snapshot-shipping/index.ts'
import type { ShippingLimits, ShippingOptions } from '../../../src/raft/snapshot-shipping/index.ts'
import {
  PeerFrameCursor,
  PeerFrameWriter,
  readPeerMessage,
  type IncomingPeerMessage,
  type OutgoingPeerMessage,
} from '../../../src/raft/wire/index.ts'
import { Harness, set } from '../../engine/harness.ts'
import { configuration } from '../wire/samples.ts'

export { configuration }

/** Two chunks and more even of a small state. */
export const LIMITS: Partial<ShippingLimits> = {
  chunkBytes: 8 << 10,
  windowBytes: 32 << 10,
  bufferedBytesMax: 24 << 10,
}

export const LATENCY_MS = 1
const BYTES_PER_MS = 64 << 10

/** A replica's part around shipping: the core's answers to offers, its inputs, and what the driver does on a failed install. */
export class Node {
  readonly id: number
  harness: Harness
  shipping!: SnapshotShipping
  isRunning = true
  lives = 0
  pending: SnapshotMeta | undefined
  readonly installed: SnapshotMeta[] = []
  readonly failed: { reason: string; mustReopen: boolean }[] = []
  readonly sent: { to: number; seq: number; isOk: boolean }[] = []
  readonly calls: string[] = []
  /** How often a peer found that what this node sends does not add up. */
  misfits = 0
  beforeInstall: () => void = () => {}
  /** Of the receiver: every write into the sink waits for it. */
  beforeWrite: () => Promise<void> = () => Promise.resolve()
  /** Chunks that the state machine took, over all transfers. */
  written = 0
  sources = 0
  /** Changes what a sender announces. */
  forge: (source: Awaited<ReturnType<StateMachine['snapshotSource']>>) => void = () => {}

  constructor(id: number, harness: Harness) {
    this.id = id
    this.harness = harness
  }

  /** The state machine with counters around it. */
  machine(): ShippingOptions['machine'] {
    const core = this.harness.core
    return {
      get appliedSeq() {
        return core.appliedSeq
      },
      get digests() {
        return core.digests
      },
      snapshotSource: async since => {
        const source = await core.snapshotSource(since)
        this.sources++
        const close = source.close.bind(source)
        let isOpen = true
        source.close = () => {
          if (isOpen) this.sources--
          isOpen = false
          close()
        }
        this.forge(source)
        return source
      },
      beginInstall: async manifest => {
        this.calls.push('begin')
        return this.#watched(await core.beginInstall(manifest))
      },
    }
  }

  #watched(sink: SnapshotSink): SnapshotSink {
    return {
      resumeAfter: sink.resumeAfter,
      write: async chunk => {
        await this.beforeWrite()
        await sink.write(chunk)
        this.written++
      },
      commit: () => {
        this.calls.push('commit')
        return sink.commit()
      },
      abort: () => {
        this.calls.push('abort')
        return sink.abort()
      },
    }
  }
}

/** What befalls a message. `cut`: all links break before it arrives; `cut control`: only the one that the receiver speaks on. */
export type Fate = 'arrive' | 'lost' | 'cut' | 'cut control' | 'damage' | 'crash receiver' | 'crash sender'

const SENDERS_TYPES = new Set(['snapshotManifest', 'snapshotChunk', 'snapshotEnd'])

/** Two replicas and the snapshot link between them, over virtual time. Node 1 has the state. */
export class Pair {
  readonly world: SimulatedWorld
  readonly nodes: readonly [Node, Node]
  readonly limits: Partial<ShippingLimits>
  isLinked = true
  /** Messages of the snapshot channel that were sent, and how many of each type arrived. */
  messages = 0
  readonly arrived: Map<string, number> = new Map()
  fate: (number: number, type: string) => Fate = () => 'arrive'
  bytesPerMs = BYTES_PER_MS
  queuedBytesMax = 0
  /** When `shipUntilInstalled` was done. */
  doneMs = 0
  /** How long a broken link stays so. */
  downMs = 50
  #generation = 0
  #isControlOpen = true
  #controlGeneration = 0
  readonly #queuedBytes = [0, 0, 0]
  readonly #freeAtMs = [0, 0, 0]
  readonly #cursor = new PeerFrameCursor()

  constructor(seed: number, sender: Harness, receiver: Harness, limits: Partial<ShippingLimits> = LIMITS) {
    this.world = new SimulatedWorld({ seed, drainMicrotasks })
    this.limits = limits
    this.nodes = [new Node(1, sender), new Node(2, receiver)]
    for (const node of this.nodes) this.#start(node)
  }

  get sender(): Node {
    return this.nodes[0]
  }

  get receiver(): Node {
    return this.nodes[1]
  }

  ship(minSeq = 1): void {
    const { shipping } = this.sender
    shipping.ship(2, minSeq, 7, offer => {
      const isSameLife = (): boolean => this.sender.shipping === shipping
      this.world.schedule(LATENCY_MS, () => {
        if (this.isLinked && isSameLife()) this.#onOffer(offer.meta)
      })
    })
  }

  /** Ships, again after failures as the core does, until the receiver has the sender's state and the sender has heard. */
  async shipUntilInstalled(limitMs = 120_000): Promise<void> {
    const wantedSeq = this.sender.harness.core.appliedSeq
    const hasArrived = (): boolean => this.receiver.isRunning && this.receiver.harness.core.appliedSeq >= wantedSeq
    const isIdle = (): boolean => this.sender.isRunning && this.sender.shipping.progress.outgoing.length === 0
    this.ship()
    const isDone = await this.world.runWhileNot(() => {
      // S6: what a core learns from acknowledgements ends its need of a snapshot, too.
      if (isIdle() && !hasArrived()) this.ship()
      return isIdle() && hasArrived()
    }, limitMs)
    this.doneMs = this.world.nowMs
    assert.ok(isDone, `not installed after ${limitMs} ms (seed ${this.world.seed})`)
  }

  cut(): void {
    if (!this.isLinked) return
    this.isLinked = false
    this.#generation++
    for (const node of this.nodes) if (node.isRunning) node.shipping.linkChanged(3 - node.id, false)
    this.world.schedule(this.downMs, () => this.#link())
  }

  cutControl(): void {
    if (!this.isLinked || !this.#isControlOpen) return
    this.#isControlOpen = false
    this.#controlGeneration++
    const tell = (isOpen: boolean): void => {
      this.#isControlOpen = isOpen
      for (const node of this.nodes) if (node.isRunning) node.shipping.linkChanged(3 - node.id, isOpen, 'control')
    }
    tell(false)
    this.world.schedule(this.downMs, () => tell(true))
  }

  #link(): void {
    if (!this.nodes.every(node => node.isRunning)) return
    this.isLinked = true
    this.#queuedBytes.fill(0)
    for (const node of this.nodes) node.shipping.linkChanged(3 - node.id, true)
  }

  /** Kills the process: its state machine comes back from its last durable root. */
  crash(node: Node): void {
    node.isRunning = false
    this.cut()
    void this.#restart(node)
  }

  async #restart(node: Node): Promise<void> {
    await this.world.delay(this.downMs * 2)
    node.harness = await node.harness.reopen()
    node.pending = undefined
    node.sources = 0
    if (node === this.sender) await node.harness.applyAll()
    this.#start(node)
    node.isRunning = true
    this.#link()
  }

  #onOffer(meta: SnapshotMeta): void {
    const node = this.receiver
    if (!node.isRunning || node.pending !== undefined || meta.seq <= node.harness.core.appliedSeq) return
    node.pending = meta
    node.shipping.install(1, meta)
  }

  #start(node: Node): void {
    let isAlive = true
    const isThisLife = (): boolean => node.isRunning && node.shipping === shipping
    const owner = {
      get state() {
        return isAlive && node.shipping === shipping ? ('running' as const) : ('dead' as const)
      },
      defer: () => {},
    }
    const clock = new SimulatedClock(this.world)
    const shipping: SnapshotShipping = new SnapshotShipping({
      machine: node.machine(),
      self: () => node.id,
      send: (to, message) => node.isRunning && this.#send(to, message),
      bufferedBytes: to => this.#queuedBytes[to]!,
      clock,
      timers: new SimulatedTimers(this.world, clock, owner),
      random: new SeededRandom(this.world.seed).split(`node ${node.id}, life ${node.lives++}`),
      onSent: (to, seq, isOk) => node.sent.push({ to, seq, isOk }),
      onMisfit: () => {
        node.misfits++
      },
      onInstalled: meta => {
        if (!isThisLife()) return
        node.installed.push(meta)
        node.pending = undefined
      },
      onFailed: (reason, mustReopen) => {
        if (!isThisLife()) return
        node.failed.push({ reason, mustReopen })
        if (mustReopen) {
          isAlive = false
          node.isRunning = false
          this.cut()
          void this.#restart(node)
        } else node.pending = undefined
      },
      beforeInstall: () => {
        node.calls.push('beforeInstall')
        node.beforeInstall()
        return Promise.resolve()
      },
      beforeCommit: () => {
        node.calls.push('beforeCommit')
        return Promise.resolve()
      },
      limits: this.limits,
    })
    node.shipping = shipping
  }

  #send(to: number, message: OutgoingPeerMessage): boolean {
    const isOnControl = !SENDERS_TYPES.has(message.type)
    if (!this.isLinked || (isOnControl && !this.#isControlOpen)) return false
    const writer = new PeerFrameWriter(1)
    writer.add(message)
    const frame = writer.finish()
    const generation = this.#generation
    const controlGeneration = this.#controlGeneration
    const fate = this.fate(this.messages++, message.type)
    this.#queuedBytes[to]! += frame.length
    this.queuedBytesMax = Math.max(this.queuedBytesMax, this.#queuedBytes[to]!)
    const startMs = Math.max(this.world.nowMs, this.#freeAtMs[to]!)
    const leftMs = startMs + frame.length / this.bytesPerMs
    this.#freeAtMs[to] = leftMs
    this.world.schedule(leftMs - this.world.nowMs, () => {
      if (generation === this.#generation) this.#queuedBytes[to]! -= frame.length
    })
    this.world.schedule(leftMs + LATENCY_MS - this.world.nowMs, () => {
      if (generation !== this.#generation) return
      if (isOnControl && controlGeneration !== this.#controlGeneration) return
      this.#arrive(this.nodes[to - 1]!, frame, fate, message.type)
    })
    return true
  }

  #arrive(to: Node, frame: Uint8Array, fate: Fate, type: string): void {
    if (fate === 'lost') return
    if (fate === 'cut') return this.cut()
    if (fate === 'cut control') return this.cutControl()
    if (fate === 'crash receiver') return this.crash(this.receiver)
    if (fate === 'crash sender') return this.crash(this.sender)
    if (fate === 'damage') frame[frame.length - 1]! ^= 0x40
    let message: IncomingPeerMessage
    try {
      this.#cursor.open(frame, 64 << 20)
      assert.ok(this.#cursor.next())
      message = readPeerMessage(this.#cursor)
    } catch (error) {
      assert.ok(error instanceof MalformedBytes)
      return this.cut()
    }
    assert.ok('transferId' in message)
    this.arrived.set(type, (this.arrived.get(type) ?? 0) + 1)
    to.shipping.onMessage(message)
  }

  /** Installed and equal; and both go on alike. */
  async assertEqual(): Promise<void> {
    const { sender, receiver } = this
    receiver.harness.entries.splice(0)
    receiver.harness.entries.push(...sender.harness.entries)
    receiver.harness.timeMicros = sender.harness.timeMicros
    await receiver.harness.applyAll()
    assert.equal(receiver.harness.core.appliedSeq, sender.harness.core.appliedSeq)
    assert.equal(receiver.harness.digest(), sender.harness.digest())
    for (const { harness } of this.nodes) await harness.commit({ mutations: [set('after', 'install')] })
    assert.equal(receiver.harness.digest(), sender.harness.digest())
    assert.equal(sender.sources, 0, 'sources left open')
  }
}

/** A state of `keys` keys whose first entry is the group's configuration; `entries` writes to them. */
export async function filled(entries: number, keys = entries): Promise<Harness> {
  const harness = await Harness.create({ pageBytes: 4096 })
  await harness.applyOne(EntryKind.configuration, encodeConfiguration(configuration))
  await harness.commit({ mutations: [{ type: 'ddl', operation: { type: 'createProject', project: 'p' } }] })
  await write(harness, entries, keys)
  return harness
}

/** Each write is one of about 100 bytes; every fiftieth is a large value. */
export async function write(harness: Harness, entries: number, keys: number): Promise<void> {
  for (let i = 0; i < entries; i++) {
    const value = i % 50 === 49 ? `large ${harness.nextSeq} `.repeat(400) : `${harness.nextSeq} `.repeat(20)
    await harness.commit({ mutations: [set(`k${i % keys}`, value)] })
  }
}

export function empty(): Promise<Harness> {
  return Harness.create({ pageBytes: 8192 })
}
