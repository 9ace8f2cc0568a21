import { CLIENT_SUBPROTOCOL_BINARY, CLIENT_SUBPROTOCOL_JSON, QuorateError } from '../../model/index.ts'
import type { GoawayReason, LeaderHint, RequestSource, RunningRequest } from '../../model/index.ts'
import { delayOn } from '../../platform/index.ts'
import type { FrameLink, Timer } from '../../platform/index.ts'
import { CloseCode } from './close-code.ts'
import { Connection } from './connection.ts'
import type { ConnectionOwner } from './connection.ts'
import { DEFAULT_GATEWAY_LIMITS, newStats } from './options.ts'
import type { GatewayLimits, GatewayOptions, GatewayStats, Recheck } from './options.ts'

export interface AcceptOptions {
  subprotocol: string
  /** The client is on this machine. */
  isLoopback: boolean
  /** The bearer token of the upgrade request, if there was one. */
  token?: string | undefined
  /** Of the machine that the client is on, without the port. */
  address?: string
}

/** Its reads, views and watches can be listed and ended; commits are listed by the service that has them. */
export interface Gateway extends RequestSource {
  /** Takes a new link over: its frames and its end are the gateway's from now on. */
  accept(link: FrameLink, options: AcceptOptions): void
  /**
   * Tells every client to go elsewhere and refuses new ones; answers what is asked until `graceMs` have passed or all clients
   * have left, then closes the rest.
   */
  drain(graceMs: number, leader?: LeaderHint): Promise<void>
  /** Tokens have changed: closes every connection that would not be let in as the same caller any more. */
  recheck(callerOf: Recheck): void
  /** Closes every connection now. */
  close(): void
  readonly stats: Readonly<GatewayStats>
}

const SWEEP_MS = 1_000
/** How often a connection that is not read from is asked whether it can go on. */
const UNCHOKE_MS = 10
const DRAIN_STEP_MS = 20
/** Answers leave in the turn that has applied what they answer. */
const LAST = { isLast: true }

/** @returns the door through which clients over WebSocket use `service` */
export function createGateway(options: GatewayOptions): Gateway {
  return new ClientGateway(options)
}

class ClientGateway implements Gateway, ConnectionOwner {
  readonly options: GatewayOptions
  readonly limits: GatewayLimits
  readonly stats: GatewayStats = newStats()
  isDraining = false
  readonly #connections = new Set<Connection>()
  readonly #choked = new Set<Connection>()
  /** Those with something to say in this turn. */
  #talking: Connection[] = []
  #sweepTimer: Timer | undefined
  #unchokeTimer: Timer | undefined
  readonly #onTurnEnd: () => void = () => this.#flush()
  readonly #stopTopology: () => void

  constructor(options: GatewayOptions) {
    this.options = options
    this.limits = { ...DEFAULT_GATEWAY_LIMITS, ...options.limits }
    this.#stopTopology = options.service.onTopology(topology => {
      for (const connection of this.#connections) {
        if (connection.requests.isWelcome) connection.send({ type: 'topology', requestId: 0, topology })
      }
    })
  }

  accept(link: FrameLink, { subprotocol, isLoopback, token, address = '' }: AcceptOptions): void {
    if (subprotocol !== CLIENT_SUBPROTOCOL_BINARY && subprotocol !== CLIENT_SUBPROTOCOL_JSON) {
      this.stats.refusedTotal++
      return link.close(CloseCode.protocol, 'unknown subprotocol')
    }
    const connection = new Connection(
      link,
      { subprotocol, isLoopback, token, address },
      this,
      this.stats.connectionsTotal + 1,
    )
    if (this.#connections.size >= this.limits.connectionsMax) {
      this.stats.refusedTotal++
      const error = new QuorateError('too_many_connections', 'this node has as many clients as it takes', {
        retryable: true,
      })
      return connection.refuse(error, CloseCode.tryLater)
    }
    this.#connections.add(connection)
    this.stats.connections++
    this.stats.connectionsTotal++
    this.#sweepTimer ??= this.#sweepLater()
  }

  get slowMs(): number {
    return this.options.slow?.thresholdMs ?? Number.POSITIVE_INFINITY
  }

  running(): RunningRequest[] {
    const nowMs = this.options.clock.monotonicMs()
    return [...this.#connections].flatMap(each => each.requests.running(`client-${each.number}`, nowMs))
  }

  cancel(id: string): boolean {
    const [, number, requestId] = /^client-(\d{1,16})-(\d{1,16})$/.exec(id) ?? []
    for (const each of this.#connections) {
      if (String(each.number) === number) return each.requests.endRequest(Number(requestId))
    }
    return false
  }

  flushLater(connection: Connection): void {
    this.#talking.push(connection)
    if (this.#talking.length > 1) return
    this.options.timers.endOfTurn(this.#onTurnEnd, LAST)
  }

  #flush(): void {
    const talking = this.#talking
    this.#talking = []
    for (const each of talking) each.flush()
  }

  choked(connection: Connection): void {
    this.#choked.add(connection)
    this.#unchokeTimer ??= this.#unchokeLater()
  }

  #unchokeLater(): Timer {
    const task = (): void => {
      for (const connection of this.#choked) if (connection.tryToUnchoke()) this.#choked.delete(connection)
      this.#unchokeTimer = this.#choked.size > 0 ? this.#unchokeLater() : undefined
    }
    return this.options.timers.after(UNCHOKE_MS, task, { background: true })
  }

  #sweepLater(): Timer {
    const task = (): void => {
      const nowMs = this.options.clock.monotonicMs()
      for (const connection of this.#connections) connection.sweep(nowMs)
      this.#sweepTimer = this.#connections.size > 0 ? this.#sweepLater() : undefined
    }
    return this.options.timers.after(SWEEP_MS, task, { background: true })
  }

  closed(connection: Connection): void {
    this.#choked.delete(connection)
    if (this.#connections.delete(connection)) this.stats.connections--
  }

  async drain(graceMs: number, leader?: LeaderHint): Promise<void> {
    const { clock, timers } = this.options
    this.isDraining = true
    this.#goaway('draining', graceMs, leader)
    const untilMs = clock.monotonicMs() + graceMs
    while (this.#connections.size > 0 && clock.monotonicMs() < untilMs) {
      await delayOn(timers, Math.min(DRAIN_STEP_MS, untilMs - clock.monotonicMs()), undefined)
    }
    this.#closeAll('drained')
  }

  #goaway(reason: GoawayReason, graceMs: number, leader: LeaderHint | undefined): void {
    for (const connection of this.#connections) {
      if (connection.requests.isWelcome) connection.send({ type: 'goaway', requestId: 0, reason, graceMs, leader })
    }
  }

  recheck(callerOf: Recheck): void {
    for (const connection of this.#connections) connection.requests.recheck(callerOf)
  }

  close(): void {
    this.isDraining = true
    this.#goaway('closing', 0, undefined)
    this.#closeAll('closing')
  }

  #closeAll(reason: string): void {
    this.#stopTopology()
    for (const connection of this.#connections) connection.close(CloseCode.away, reason)
    this.#sweepTimer?.cancel()
    this.#unchokeTimer?.cancel()
    this.#sweepTimer = this.#unchokeTimer = undefined
  }
}
