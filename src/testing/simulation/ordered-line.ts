import type { SeededRandom, SimulatedProcess } from '../../platform/simulated/index.ts'
import type { ClusterNode, SimulatedCluster } from './cluster.ts'
import type { RunningNode } from './node.ts'

/** A request as a line needs it. */
export interface LineRequest {
  isEnded: boolean
  /** Of the next sending. */
  copy: number
}

interface Connection {
  readonly owner: ClusterNode
  readonly host: SimulatedProcess
  /** Nothing that is sent later arrives earlier. */
  arrivesMs: number
}

/** A copy of a request on its way. */
export interface Sending {
  readonly copy: number
  /** Whether answers still come this way. */
  isOpen(): boolean
  /** It is sent again, after a while. */
  fail(): void
  /** The node had too much to do: it is offered again where it was, and all behind it. */
  again(): void
}

/** A request has arrived at a node. */
export type Deliver<R> = (owner: ClusterNode, node: RunningNode, request: R, sending: Sending) => void

/**
 * How a client keeps the order in which its requests were issued (DESIGN 4, 7): one connection at a time, on which they arrive in order,
 * and on the next one all that is open comes first, in order, as copies. What was under way on the one before is lost.
 */
export class OrderedLine<R extends LineRequest> {
  readonly #cluster: SimulatedCluster
  readonly #random: SeededRandom
  readonly #deliver: Deliver<R>
  #open: R[] = []
  #connection: Connection | undefined
  #isConnecting = false
  /** What was refused as busy: the first of it. */
  #refused: R | undefined

  constructor(cluster: SimulatedCluster, random: SeededRandom, deliver: Deliver<R>) {
    this.#cluster = cluster
    this.#random = random
    this.#deliver = deliver
  }

  send(request: R): void {
    this.#open.push(request)
    const connection = this.#connection
    if (connection !== undefined && connection.owner.host === connection.host) this.#transmit(connection, request)
    else this.#connect(0)
  }

  #connect(afterMs: number): void {
    this.#connection = undefined
    this.#refused = undefined
    if (this.#isConnecting) return
    this.#isConnecting = true
    this.#cluster.world.schedule(afterMs, () => {
      this.#isConnecting = false
      const owner = this.#random.pick(this.#cluster.nodes)
      const { host } = owner
      this.#open = this.#open.filter(({ isEnded }) => !isEnded)
      if (host === undefined || owner.node === undefined) return this.#connect(this.#random.uniform(20, 100))
      this.#connection = { owner, host, arrivesMs: 0 }
      for (const request of this.#open) this.#transmit(this.#connection, request)
    })
  }

  /** What was issued behind it is refused too until it comes back. */
  #offerAgain(connection: Connection, request: R): void {
    const open = this.#open
    if (this.#refused !== undefined) {
      if (open.indexOf(request) < open.indexOf(this.#refused)) this.#refused = request
      return
    }
    this.#refused = request
    this.#cluster.world.schedule(this.#random.uniform(20, 60), () => {
      const first = this.#refused
      if (connection !== this.#connection || first === undefined) return
      this.#refused = undefined
      for (const each of this.#open.slice(this.#open.indexOf(first))) {
        if (!each.isEnded) this.#transmit(connection, each)
      }
    })
  }

  #transmit(connection: Connection, request: R): void {
    const { world } = this.#cluster
    const { owner, host } = connection
    const copy = request.copy++
    connection.arrivesMs = Math.max(connection.arrivesMs, world.nowMs + this.#random.uniform(0.05, 1))
    const isOpen = (): boolean => connection === this.#connection
    const fail = (): void => {
      if (isOpen()) this.#connect(this.#random.uniform(1, 60))
    }
    const again = (): void => {
      if (isOpen()) this.#offerAgain(connection, request)
    }
    world.schedule(
      connection.arrivesMs - world.nowMs,
      () => {
        const { node } = owner
        if (!isOpen() || owner.host !== host || node === undefined) return
        this.#deliver(owner, node, request, { copy, isOpen, fail, again })
      },
      host,
    )
    world.schedule(this.#random.uniform(...this.#cluster.attemptMs), () => {
      if (!request.isEnded && isOpen()) this.#connect(0)
    })
  }
}
