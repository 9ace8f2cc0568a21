import { ByteWriter, encodeOutcome, encodePlainCommit } from '../../src/encoding/index.ts'
import {
  appendServerMessage,
  ClientFrameCursor,
  DEFAULT_SETTINGS,
  QuorateError,
  readClientMessage,
} from '../../src/model/index.ts'
import type { ClientMessage, CommitMessage, HelloMessage, ServerMessage, Topology } from '../../src/model/index.ts'
import type { FrameLink } from '../../src/platform/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedNetwork, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import type { SimulatedProcess } from '../../src/platform/simulated/index.ts'
import { connectClient } from '../../src/client/index.ts'
import type { Client, ConnectOptions, StatusEvent } from '../../src/client/index.ts'

export const HISTORY = 'a'.repeat(32)

/** What a node does with a message; `pass` leaves it to its usual behaviour. */
export type Rule = (message: ClientMessage, link: NodeLink) => 'pass' | 'ignore' | readonly ServerMessage[]

/** One client's connection, as its node sees it. */
export class NodeLink {
  readonly #link: FrameLink
  session = 0

  constructor(link: FrameLink) {
    this.#link = link
  }

  send(...messages: readonly ServerMessage[]): void {
    const out = new ByteWriter(256)
    for (const message of messages) appendServerMessage(out, message)
    this.#link.send(out.finish())
  }

  close(): void {
    this.#link.close(1012, 'restarting')
  }
}

/** A node whose behaviour a test scripts. Commits go to the cluster's one log, so that what was applied twice shows. */
export class FakeNode {
  readonly nodeId: number
  readonly name: string
  readonly #cluster: FakeCluster
  readonly machine: SimulatedMachine
  readonly links = new Set<NodeLink>()
  readonly received: ClientMessage[] = []
  rule: Rule = () => 'pass'
  process: SimulatedProcess | undefined

  constructor(cluster: FakeCluster, nodeId: number) {
    this.#cluster = cluster
    this.nodeId = nodeId
    this.name = `n${nodeId}`
    this.machine = new SimulatedMachine(cluster.world, { name: this.name })
    this.start()
  }

  start(): void {
    this.process = this.machine.start()
    this.#cluster.network.listen(this.process, { port: 7400 }, link => this.#accept(link))
  }

  kill(): void {
    this.machine.crash('process')
    this.links.clear()
  }

  #accept(link: FrameLink): void {
    const end = new NodeLink(link)
    const cursor = new ClientFrameCursor()
    this.links.add(end)
    link.onClose = () => this.links.delete(end)
    link.onFrame = frame => {
      cursor.open(frame, Infinity)
      while (cursor.next()) this.#take(readClientMessage(cursor), end)
    }
  }

  get commits(): CommitMessage[] {
    return this.received.filter(message => message.type === 'commit')
  }

  #take(message: ClientMessage, link: NodeLink): void {
    this.received.push(message)
    const ruled = this.rule(message, link)
    if (ruled === 'ignore') return
    if (ruled === 'pass') this.usual(message, link)
    else link.send(...ruled)
  }

  /** What a healthy node does. */
  usual(message: ClientMessage, link: NodeLink): void {
    const { requestId } = message
    const cluster = this.#cluster
    switch (message.type) {
      case 'hello':
        return link.send(this.#greet(message, link))
      case 'commit':
        return link.send({
          type: 'outcome',
          requestId,
          leaderTimeMicros: cluster.leaderTimeMicros,
          outcome: cluster.apply(link.session, message),
        })
      case 'read':
        return link.send({
          type: 'readResult',
          requestId,
          seq: cluster.seq,
          result: { type: 'projects', projects: [{ name: this.name, id: message.viewId, createdAtMicros: 1 }] },
        })
      case 'openView': {
        const { consistency } = message
        const seq =
          typeof consistency === 'object' && 'atSeq' in consistency
            ? Number(consistency.atSeq.split(':')[1])
            : cluster.seq
        return link.send({ type: 'viewOpened', requestId, viewId: ++cluster.views, seq })
      }
      case 'ping':
        return link.send({ type: 'pong', requestId, leaderTimeMicros: cluster.leaderTimeMicros })
      case 'watch':
        return link.send({ type: 'watchEvents', requestId, events: [] })
      default:
    }
  }

  #greet(hello: HelloMessage, link: NodeLink): ServerMessage {
    const { requestId, session } = hello
    const cluster = this.#cluster
    if (session !== undefined) {
      const id = session.id === 0 ? cluster.openSession(session.nonce) : session.id
      if (!cluster.sessions.has(id)) {
        return {
          type: 'error',
          requestId,
          error: new QuorateError('session_ended', 'the session has ended', { applied: 'unknown' }),
        }
      }
      link.session = id
    }
    return {
      type: 'welcome',
      requestId,
      protocol: 1,
      serverVersion: 'fake',
      historyId: HISTORY,
      nodeId: this.nodeId,
      caller: 'root',
      ...(session !== undefined && { session: { id: link.session, window: cluster.window, lifetimeMs: 60_000 } }),
      leaderTimeMicros: cluster.leaderTimeMicros,
      topology: cluster.topologyOf(this.nodeId),
      maxFrameBytes: 1 << 20,
      limits: DEFAULT_SETTINGS,
    }
  }

  /** Tells all its clients who leads. */
  push(topology: Topology = this.#cluster.topologyOf(this.nodeId)): void {
    for (const link of this.links) link.send({ type: 'topology', requestId: 0, topology })
  }
}

/** Three scripted nodes with one log, and a client, on virtual time. */
export class FakeCluster {
  readonly world: SimulatedWorld
  readonly network: SimulatedNetwork
  readonly nodes: FakeNode[]
  readonly sessions = new Map<number, Map<number, Uint8Array>>()
  readonly #nonces = new Map<string, number>()
  /** The first key (`k1`, `k2`, ...) of each envelope that was applied, in order. */
  readonly applied: string[] = []
  readonly events: StatusEvent[] = []
  seq = 100
  term = 1
  leaderId = 1
  version = 1
  window = 8
  views = 0
  leaderTimeMicros = 1_700_000_000_000_000

  constructor(seed = 1) {
    this.world = new SimulatedWorld({ seed, drainMicrotasks })
    this.network = new SimulatedNetwork(this.world)
    this.nodes = [1, 2, 3].map(nodeId => new FakeNode(this, nodeId))
  }

  node(nodeId: number): FakeNode {
    return this.nodes[nodeId - 1]!
  }

  topologyOf(nodeId: number): Topology {
    const members = this.nodes.map(node => ({
      nodeId: node.nodeId,
      name: node.name,
      clientAddress: `${node.name}:7400`,
      role: 'voter' as const,
    }))
    return { historyId: HISTORY, term: this.term, version: this.version++, leaderId: this.leaderId, nodeId, members }
  }

  /** Another node leads; the living say so. */
  elect(nodeId: number): void {
    this.term++
    this.leaderId = nodeId
    for (const node of this.nodes) if (node.process?.state === 'running') node.push()
  }

  openSession(nonce: Uint8Array): number {
    const key = Buffer.from(nonce).toString('hex')
    const known = this.#nonces.get(key)
    if (known !== undefined) return known
    const id = ++this.seq
    this.#nonces.set(key, id)
    this.sessions.set(id, new Map())
    return id
  }

  apply(session: number, commit: CommitMessage): Uint8Array {
    const outcomes = this.sessions.get(session)
    if (outcomes === undefined) {
      return encodeOutcome({ status: 'refused', seq: ++this.seq, code: 'session_ended', message: 'no such session' })
    }
    let outcome = outcomes.get(commit.serial)
    if (outcome === undefined) {
      outcome = encodePlainCommit(++this.seq)
      outcomes.set(commit.serial, outcome)
      this.applied.push(/k\d+/.exec(Buffer.from(commit.envelope).toString('latin1'))?.[0] ?? '?')
    }
    return outcome
  }

  /** Connects a client from a host of its own, and gathers its events. */
  async connect(options: ConnectOptions = {}, endpoints = 'ws://n1:7400,n2,n3'): Promise<Client> {
    const process = new SimulatedMachine(this.world, { name: 'client' }).start()
    const { clock, timers, random } = process
    const ports = { dialer: this.network.dialer(process), clock, timers, random }
    const client = await this.world.runToCompletion(connectClient(endpoints, options, ports))
    void (async () => {
      for await (const event of client.statusEvents()) this.events.push(event)
    })()
    await this.world.runFor(200)
    return client
  }
}
