import type { ByteListener, ByteStream } from '../../platform/index.ts'
import { dialBytes, listenBytes, nodeClock, nodeRandom, nodeTimers } from '../../platform/node/index.ts'
import { Flow } from './flow.ts'
import type { FlowPorts, LinkFaults } from './flow.ts'
import { peerNameReader } from './peer-name.ts'

/** One server that is reached through the proxy. */
export interface ProxyRoute {
  /** Whom it leads to. */
  readonly to: string
  /** Where that one really listens. */
  readonly host: string
  readonly port: number
  /** Who uses it. Absent = nodes, which say who they are in the handshake of their links; without TLS only. */
  readonly from?: string
}

export interface FaultProxyOptions {
  /** Which pieces are lost and how much later they come; default the machine's. Give a seeded one to repeat a run. */
  readonly random?: FlowPorts['random']
}

export interface ProxyCounts {
  connections: number
  /** Bytes that arrived, both ways. */
  bytes: number
  resets: number
  torn: number
}

interface Connection {
  readonly to: string
  from: string | undefined
  readonly dialer: ByteStream
  readonly server: ByteStream
  readonly there: Flow
  readonly back: Flow
}

/**
 * A TCP proxy on 127.0.0.1 that hurts connections in ways that real networks do: delay, loss, bytes withheld in one direction or both,
 * connections reset or cut in the middle of a frame. Faults hold between two parties by their names and for one direction each, whoever
 * of the two dialled. Put its addresses into the `members` of a test cluster, or give them to clients.
 */
export class FaultProxy implements AsyncDisposable {
  readonly #ports: FlowPorts
  readonly #listeners: ByteListener[] = []
  readonly #connections = new Set<Connection>()
  readonly #faults = new Map<string, LinkFaults>()
  readonly #counts = { connections: 0, bytes: 0, resets: 0, torn: 0 }

  constructor({ random = nodeRandom() }: FaultProxyOptions = {}) {
    this.#ports = { clock: nodeClock(), timers: nodeTimers(), random }
  }

  /** Opens a way to a server, which need not be there yet; resolves with the port of 127.0.0.1 that leads to it. */
  async open(route: ProxyRoute): Promise<number> {
    const listener = await listenBytes({
      host: '127.0.0.1',
      port: 0,
      onStream: stream => this.#accept(route, stream),
    })
    this.#listeners.push(listener)
    return listener.port
  }

  /** From now on this happens to bytes from one to the other; undefined = nothing. Replaces what held before. */
  setFaults(from: string, to: string, faults: LinkFaults | undefined): void {
    if (faults === undefined) this.#faults.delete(keyOf(from, to))
    else this.#faults.set(keyOf(from, to), faults)
    this.#changed()
  }

  /** The same in both directions. */
  setFaultsBetween(a: string, b: string, faults: LinkFaults | undefined): void {
    this.setFaults(a, b, faults)
    this.setFaults(b, a, faults)
  }

  /** Ends all faults: what was withheld arrives. */
  heal(): void {
    this.#faults.clear()
    this.#changed()
  }

  /** Resets the open connections between two parties, or all; answers how many. */
  reset(a?: string, b?: string): number {
    const some = this.#between(a, b)
    for (const connection of some) this.#break(connection)
    this.#counts.resets += some.length
    return some.length
  }

  /** Cuts the open connections between two parties, or all, in the middle of what is sent next; answers how many. */
  tear(a?: string, b?: string): number {
    const some = this.#between(a, b)
    for (const { there, back } of some) {
      there.tear()
      back.tear()
    }
    return some.length
  }

  get counts(): ProxyCounts {
    const bytes = [...this.#connections].reduce((sum, connection) => sum + passedBytes(connection), this.#counts.bytes)
    return { ...this.#counts, bytes }
  }

  /** Resets every connection and stops listening. */
  async close(): Promise<void> {
    const closing = this.#listeners.splice(0).map(listener => listener.close())
    for (const connection of this.#connections) this.#break(connection)
    await Promise.all(closing)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #accept({ to, host, port, from }: ProxyRoute, dialer: ByteStream): void {
    this.#counts.connections++
    const server = dialBytes({ host, port })
    const readName = from === undefined ? peerNameReader() : undefined
    const faultsOf = (isBack: boolean): LinkFaults | undefined => {
      if (connection.from === undefined) return undefined
      const key = isBack ? keyOf(to, connection.from) : keyOf(connection.from, to)
      return this.#faults.get(key)
    }
    const flow = (source: ByteStream, target: ByteStream, isBack: boolean): Flow =>
      new Flow({
        source,
        target,
        ports: this.#ports,
        faults: () => faultsOf(isBack),
        onTorn: () => this.#tore(connection, source, target),
      })
    const connection: Connection = {
      to,
      from,
      dialer,
      server,
      there: flow(dialer, server, false),
      back: flow(server, dialer, true),
    }
    this.#connections.add(connection)
    dialer.onBytes = bytes => {
      // Known before its hello goes on: nothing of what follows escapes the faults.
      connection.from ??= readName?.(bytes)
      connection.there.take(bytes)
    }
    server.onBytes = bytes => connection.back.take(bytes)
    dialer.onEnd = () => connection.there.end()
    server.onEnd = () => connection.back.end()
    dialer.onClose = () => this.#break(connection)
    server.onClose = () => this.#break(connection)
  }

  /** The half that was passed on leaves in order; the connection ends when its receiver has seen that no more comes. */
  #tore({ there, back }: Connection, source: ByteStream, target: ByteStream): void {
    this.#counts.torn++
    there.stop()
    back.stop()
    source.onClose = undefined
    source.reset()
    target.end()
  }

  #forget(connection: Connection): void {
    if (!this.#connections.delete(connection)) return
    this.#counts.bytes += passedBytes(connection)
    connection.there.stop()
    connection.back.stop()
  }

  #break(connection: Connection): void {
    this.#forget(connection)
    connection.dialer.reset()
    connection.server.reset()
  }

  #between(a: string | undefined, b: string | undefined): Connection[] {
    return [...this.#connections].filter(({ from, to }) =>
      [a, b].every(name => name === undefined || name === from || name === to),
    )
  }

  #changed(): void {
    for (const { there, back } of this.#connections) {
      there.changed()
      back.changed()
    }
  }
}

function keyOf(from: string, to: string): string {
  return `${from}>${to}`
}

function passedBytes({ there, back }: Connection): number {
  return there.passedBytes + back.passedBytes
}
