import type { LeaderHint, QuorateError, ServerMessage, Topology, WelcomeMessage } from '../model/index.ts'
import type { Timer } from '../platform/index.ts'
import { fullJitterMs, RetryBudget } from './backoff.ts'
import { NodeConnection } from './node-connection.ts'
import type { ConnectionOwner } from './node-connection.ts'
import { endpointUrl } from './options.ts'
import type { ClientPorts, ClientSettings } from './options.ts'
import type { StatusEvents } from './status-events.ts'

/** An address that the pool keeps a connection to. */
interface Place {
  readonly url: string
  /** Named by the program; others come and go with the membership. */
  readonly isEndpoint: boolean
  connection: NodeConnection | undefined
  /** Last known to be there; 0 = not known. */
  nodeId: number
  /** Dials that failed since the last that did not. */
  failures: number
  /** Reached or failed at least once. */
  isTried: boolean
  /** Why the node does not want this client, if it said so. */
  refusal: QuorateError | undefined
  retry: Timer | undefined
}

/** Warm connections to all nodes of the cluster, and what they say of it. */
export class NodePool implements ConnectionOwner {
  readonly #ports: ClientPorts
  readonly #settings: ClientSettings
  readonly #events: StatusEvents
  readonly #places = new Map<string, Place>()
  readonly #scheme: string
  readonly #handlers = new Set<() => void>()
  #topology: Topology | undefined
  #isClosed = false
  #leaderTime = 0
  #leaderTimeAtMs = 0
  /** What `leaderTarget` found, until something changes; undefined = to be found. */
  #leaderTarget: NodeConnection | undefined
  readonly retries: RetryBudget

  constructor(endpoints: readonly string[], ports: ClientPorts, settings: ClientSettings, events: StatusEvents) {
    this.#ports = ports
    this.#settings = settings
    this.#events = events
    this.retries = new RetryBudget(ports.random)
    this.#scheme = `${new URL(endpoints[0]!).protocol}//`
    for (const url of endpoints) this.#addPlace(url, true)
  }

  /** Dials all endpoints. */
  start(): void {
    for (const place of this.#places.values()) this.#dial(place)
  }

  get topology(): Topology | undefined {
    return this.#topology
  }

  /** Leader time as it should be now, us. */
  get leaderTimeMicros(): number {
    return this.#leaderTime + Math.floor((this.#ports.clock.monotonicMs() - this.#leaderTimeAtMs) * 1000)
  }

  /** A node told the leader time. */
  setLeaderTime(micros: number): void {
    if (micros <= this.leaderTimeMicros) return
    this.#leaderTime = micros
    this.#leaderTimeAtMs = this.#ports.clock.monotonicMs()
  }

  /** Calls `handler` whenever connections or the topology have changed. Returns what ends it. */
  onChange(handler: () => void): () => void {
    this.#handlers.add(handler)
    return () => this.#handlers.delete(handler)
  }

  *ready(): Iterable<NodeConnection> {
    for (const { connection } of this.#places.values()) if (connection?.isReady === true) yield connection
  }

  /** Where writes go: the leader if it can be reached, else the one used until now, else any: followers forward. */
  writeTarget(current: NodeConnection | undefined): NodeConnection | undefined {
    const leaderId = this.#topology?.leaderId ?? 0
    let best: NodeConnection | undefined
    let bestScore = 0
    for (const connection of this.ready()) {
      let score = connection.isLeaving || this.isCutOff(connection) ? 1 : 3
      if (connection === current) score += 1
      if (leaderId !== 0 && connection.nodeId === leaderId && !connection.isLeaving) score += 8
      if (score > bestScore) {
        best = connection
        bestScore = score
      }
    }
    return best
  }

  /** Where whoever has no connection yet writes, and reads that go to the leader. hot path: one look for each read. */
  leaderTarget(): NodeConnection | undefined {
    if (this.#leaderTarget?.isReady !== true) this.#leaderTarget = this.writeTarget(undefined)
    return this.#leaderTarget
  }

  /** Where a read goes; not to `avoid` if there is another. */
  readTarget(avoid: NodeConnection | undefined): NodeConnection | undefined {
    if (this.#settings.readFrom === 'leader' && avoid === undefined) return this.leaderTarget()
    const ready = [...this.ready()]
    const staying = ready.filter(
      connection => !connection.isLeaving && !this.isCutOff(connection) && connection !== avoid,
    )
    if (staying.length === 0) return ready.find(connection => connection !== avoid) ?? ready[0]
    const nearestMs = Math.min(...staying.map(connection => connection.roundTripMs))
    const near = staying.filter(({ roundTripMs }) => roundTripMs <= nearestMs + this.#settings.latencyWindowMs)
    // Power of two choices: better than either chance or the smallest of stale counts.
    const one = near[Math.floor(this.#ports.random.float() * near.length)]!
    const other = near[Math.floor(this.#ports.random.float() * near.length)]!
    return other.openCount < one.openCount ? other : one
  }

  /** Whether its node says that it knows no leader, or belongs to no cluster, while others know one: it looks alive and is of no use. */
  isCutOff(connection: NodeConnection): boolean {
    return connection.historyId === '' || (connection.leaderId === 0 && this.#topology?.leaderId !== 0)
  }

  /** The refusal that every endpoint gave, if all did: no retry will help. */
  get refusal(): QuorateError | undefined {
    let last: QuorateError | undefined
    for (const { isEndpoint, refusal } of this.#places.values()) {
      if (!isEndpoint) continue
      if (refusal === undefined) return undefined
      last = refusal
    }
    return last
  }

  /** A node named the leader. Hints of an older term are worth nothing. */
  hint(leader: LeaderHint | undefined): void {
    const known = this.#topology
    if (leader === undefined || known === undefined || leader.nodeId === 0) return
    const isNewer = leader.term > known.term || (leader.term === known.term && known.leaderId === 0)
    if (isNewer) this.#takeTopology({ ...known, term: leader.term, leaderId: leader.nodeId })
  }

  onReady(connection: NodeConnection, welcome: WelcomeMessage): void {
    const place = this.#places.get(connection.url)!
    place.failures = 0
    place.isTried = true
    place.refusal = undefined
    place.nodeId = welcome.nodeId
    connection.leaderId = welcome.topology.leaderId
    this.setLeaderTime(welcome.leaderTimeMicros)
    this.#events.emit({ type: 'connected', url: connection.url, nodeId: welcome.nodeId })
    this.#takeTopology(welcome.topology)
    this.#discover()
    this.#changed()
  }

  onNews(connection: NodeConnection, message: ServerMessage): void {
    switch (message.type) {
      case 'topology':
        connection.historyId = message.topology.historyId
        connection.leaderId = message.topology.leaderId
        this.#takeTopology(message.topology)
        this.#discover()
        return this.#changed()
      case 'pong':
        return this.setLeaderTime(message.leaderTimeMicros)
      case 'goaway': {
        const { reason, graceMs, leader } = message
        const { url, nodeId } = connection
        this.#events.emit({ type: 'goaway', url, nodeId, reason, graceMs })
        connection.isLeaving = true
        this.hint(leader)
        this.#ports.timers.after(graceMs, () => connection.close(1000, `asked to go: ${reason}`), { background: true })
        return this.#changed()
      }
      default:
    }
  }

  onClosed(connection: NodeConnection, reason: string, refusal: QuorateError | undefined): void {
    const place = this.#places.get(connection.url)
    if (place?.connection !== connection) return
    place.connection = undefined
    place.isTried = true
    // What is said before `welcome` is said of this client; later, of one of its messages.
    place.refusal = refusal?.retryable === false && connection.nodeId === 0 ? refusal : undefined
    if (connection.nodeId !== 0) {
      this.#events.emit({ type: 'disconnected', url: place.url, nodeId: connection.nodeId, reason })
    }
    this.#redial(place, refusal?.backoffMs ?? 0)
    this.#discover()
    this.#changed()
  }

  close(): void {
    this.#isClosed = true
    for (const { connection, retry } of this.#places.values()) {
      retry?.cancel()
      connection?.close()
    }
    this.#places.clear()
    this.#changed()
    this.#handlers.clear()
  }

  #addPlace(url: string, isEndpoint: boolean): Place {
    const place = {
      url,
      isEndpoint,
      connection: undefined,
      nodeId: 0,
      failures: 0,
      isTried: false,
      refusal: undefined,
      retry: undefined,
    }
    this.#places.set(url, place)
    return place
  }

  #dial(place: Place): void {
    place.retry = undefined
    place.connection = new NodeConnection(place.url, this.#ports, this.#settings, this)
    place.connection.open()
  }

  #redial(place: Place, leastMs: number): void {
    if (this.#isClosed) return
    const delayMs = Math.max(leastMs, fullJitterMs(place.failures, this.#ports.random))
    place.failures++
    this.#events.emit({ type: 'reconnecting', url: place.url, attempt: place.failures, delayMs })
    place.retry = this.#ports.timers.after(delayMs, () => this.#dial(place))
  }

  /** Takes what a node says of the cluster, unless more is known already. Versions are counted by each node for itself. */
  #takeTopology(next: Topology): void {
    const known = this.#topology
    // A node that belongs to no cluster knows nothing of this one.
    if (known !== undefined && next.historyId === '' && known.historyId !== '') return
    if (known !== undefined && known.historyId === next.historyId && !isNewerTopology(next, known)) return
    this.#topology = next
    this.#leaderTarget = undefined
    this.#events.emit({ type: 'topology', topology: next })
    if (known?.leaderId !== next.leaderId || known.term !== next.term) {
      this.#events.emit({ type: 'leader', nodeId: next.leaderId, term: next.term })
    }
  }

  /** Connects to members that no place is known to reach, and drops places of nodes that are members no more. */
  #discover(): void {
    if (!this.#settings.discover || this.#isClosed || this.#topology === undefined) return
    // Names of one node differ (localhost, 127.0.0.1): who is behind the endpoints must show first.
    for (const place of this.#places.values()) if (place.isEndpoint && !place.isTried) return
    const { members } = this.#topology
    const reached = new Set([...this.#places.values()].map(place => place.nodeId))
    for (const { nodeId, clientAddress } of members) {
      if (reached.has(nodeId) || clientAddress === '') continue
      const url = endpointUrl(clientAddress, this.#scheme)
      const known = this.#places.get(url)
      if (known !== undefined) continue
      const place = this.#addPlace(url, false)
      place.nodeId = nodeId
      this.#dial(place)
    }
    for (const place of this.#places.values()) {
      if (place.isEndpoint || members.some(({ nodeId }) => nodeId === place.nodeId)) continue
      this.#places.delete(place.url)
      place.retry?.cancel()
      place.connection?.close()
    }
  }

  #changed(): void {
    this.#leaderTarget = undefined
    for (const handler of this.#handlers) handler()
  }
}

/**
 * Whether `next` says more than `known`: a later term, a leader where none was known, or a word of the leader itself or of the node
 * that was heard before (a node counts its versions anew when it starts, so its newest word is its last).
 */
function isNewerTopology(next: Topology, known: Topology): boolean {
  if (next.term !== known.term) return next.term > known.term
  if (next.nodeId === known.nodeId || next.nodeId === next.leaderId) return true
  return next.leaderId !== 0 && known.leaderId === 0
}
