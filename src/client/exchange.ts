import { NumberMap, QuorateError } from '../model/index.ts'
import type { ClientMessage, CoreOptions, ServerMessage } from '../model/index.ts'
import type { Timer } from '../platform/index.ts'
import { DeadlineSweep } from './deadline-sweep.ts'
import type { NodeConnection, OpenRequest } from './node-connection.ts'
import type { NodePool } from './node-pool.ts'
import type { ClientPorts, ClientSettings } from './options.ts'

/** What an exchange gave, and where. */
export interface Answer {
  message: ServerMessage
  connection: NodeConnection
}

export interface ExchangeOptions extends CoreOptions {
  /** The only connection that can answer; without it the exchange goes wherever it can, until its time is used up. */
  on?: NodeConnection
}

/** Builds the message; `leftMs` is what is left of the caller's time. */
export type MakeMessage = (leftMs: number) => ClientMessage

/** Requests that change nothing: sent until some node answers them, or the caller's time is used up. */
export class Exchanges {
  readonly #ports: ClientPorts
  readonly #settings: ClientSettings
  readonly #pool: NodePool
  /** By their numbers. */
  readonly #open = new NumberMap<Exchange>()
  #lastNumber = 0
  readonly #sweep: DeadlineSweep
  #closed: QuorateError | undefined

  constructor(ports: ClientPorts, settings: ClientSettings, pool: NodePool) {
    this.#ports = ports
    this.#settings = settings
    this.#pool = pool
    this.#sweep = new DeadlineSweep(ports, nowMs => this.#endLate(nowMs))
    pool.onChange(() => {
      for (const exchange of this.#inOrder()) exchange.poolChanged()
    })
  }

  get openCount(): number {
    return this.#open.size
  }

  /** @throws QuorateError what a node answers that no other would answer differently; `timeout`, `aborted`, `closed` */
  ask(make: MakeMessage, options: ExchangeOptions): Promise<Answer> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed)
    const { signal } = options
    if (signal?.aborted === true) {
      return Promise.reject(new QuorateError('aborted', 'the caller aborted', { cause: signal.reason }))
    }
    return new Promise((resolve, reject) => {
      const deadlineMs = this.#ports.clock.monotonicMs() + (options.timeoutMs ?? this.#settings.timeoutMs)
      const number = ++this.#lastNumber
      const exchange = new Exchange(this, number, this.#ports, this.#pool, make, options, deadlineMs, resolve, reject)
      this.#open.set(number, exchange)
      this.#sweep.note(deadlineMs)
      exchange.start()
    })
  }

  ended(number: number): void {
    this.#open.delete(number)
  }

  /** As they were asked. */
  #inOrder(): Exchange[] {
    return this.#open.values().sort((one, other) => one.number - other.number)
  }

  #endLate(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY
    for (const exchange of this.#inOrder()) {
      if (exchange.deadlineMs <= nowMs) exchange.expire()
      else nextMs = Math.min(nextMs, exchange.deadlineMs)
    }
    return nextMs
  }

  close(): void {
    this.#closed = new QuorateError('closed', 'the client is closed')
    this.#sweep.cancel()
    for (const exchange of this.#inOrder()) exchange.end(undefined, this.#closed)
  }
}

/** One request, from its first sending to its answer. hot path: bench/cluster. */
class Exchange implements OpenRequest {
  readonly #owner: Exchanges
  readonly number: number
  readonly #ports: ClientPorts
  readonly #pool: NodePool
  readonly #make: MakeMessage
  readonly #options: ExchangeOptions
  readonly #resolve: (answer: Answer) => void
  readonly #reject: (error: QuorateError) => void
  readonly deadlineMs: number
  #onAbort: (() => void) | undefined
  #connection: NodeConnection | undefined
  #avoid: NodeConnection | undefined
  #id = 0
  #attempt = 0
  /** When it was sent, in terms. */
  #term = 0
  #retry: Timer | undefined
  #isLeaderAsked = false
  /** Why it was tried again. */
  #refused: QuorateError | undefined
  #isOver = false

  constructor(
    owner: Exchanges,
    number: number,
    ports: ClientPorts,
    pool: NodePool,
    make: MakeMessage,
    options: ExchangeOptions,
    deadlineMs: number,
    resolve: (answer: Answer) => void,
    reject: (error: QuorateError) => void,
  ) {
    this.#owner = owner
    this.number = number
    this.#ports = ports
    this.#pool = pool
    this.#make = make
    this.#options = options
    this.#resolve = resolve
    this.#reject = reject
    this.deadlineMs = deadlineMs
    if (options.signal !== undefined) this.#listen(options.signal)
  }

  #listen(signal: AbortSignal): void {
    this.#onAbort = () => this.#giveUp(new QuorateError('aborted', 'the caller aborted', { cause: signal.reason }))
    signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** The caller's time is used up. */
  expire(): void {
    const refused =
      this.#refused === undefined ? '' : `; last refused with ${this.#refused.code}: ${this.#refused.message}`
    const options = { retryable: true, ...(this.#refused !== undefined && { cause: this.#refused }) }
    this.#giveUp(new QuorateError('timeout', `the time given is used up${refused}`, options))
  }

  start(): void {
    const connection = this.#options.on ?? this.#target()
    if (connection === undefined) {
      if (this.#pool.refusal !== undefined) this.end(undefined, this.#pool.refusal)
      return
    }
    if (this.#options.on !== undefined && !connection.isReady) return this.onLost()
    this.#connection = connection
    this.#term = this.#pool.topology?.term ?? 0
    try {
      const message = this.#make(Math.max(1, Math.ceil(this.deadlineMs - this.#ports.clock.monotonicMs())))
      this.#id = connection.request(message, this)
    } catch (error) {
      const known = error instanceof QuorateError
      this.end(
        undefined,
        known ? error : new QuorateError('invalid_argument', 'the request does not fit its form', { cause: error }),
      )
    }
  }

  #target(): NodeConnection | undefined {
    return this.#isLeaderAsked ? this.#pool.leaderTarget() : this.#pool.readTarget(this.#avoid)
  }

  /** A connection opened or closed, or another node leads: whoever waits for nothing looks again, and so does who waits in vain. */
  poolChanged(): void {
    if (this.#isOver) return
    const connection = this.#connection
    const term = this.#pool.topology?.term ?? 0
    if (this.#retry !== undefined) {
      if (term === this.#term || this.#pool.topology?.leaderId === 0) return
      // What it waits for has come.
      this.#retry.cancel()
      this.#retry = undefined
      this.#avoid = undefined
    }
    if (connection === undefined) return this.start()
    const isElsewhere = term > this.#term && connection.nodeId !== this.#pool.topology?.leaderId
    if (this.#options.on !== undefined || !(isElsewhere || this.#pool.isCutOff(connection))) return
    if (this.#pool.topology?.leaderId === 0 || this.#target() === connection) return
    // The node may be cut off, or hung, without its connection showing it; nothing is changed by asking twice.
    connection.forget(this.#id)
    this.start()
  }

  onAnswer(message: ServerMessage, connection: NodeConnection): void {
    this.#connection = undefined
    if (message.type !== 'error') {
      this.#pool.retries.succeeded()
      return this.end({ message, connection }, undefined)
    }
    const { error } = message
    this.#pool.hint(error.leader)
    // Each node has a window of its own, and that of the leader reaches furthest.
    if (error.code === 'seq_unavailable' && this.#options.on === undefined && !this.#isLeaderAsked) {
      this.#isLeaderAsked = true
      if (this.#target() !== connection) return this.start()
    }
    if (!error.retryable || this.#options.on !== undefined) return this.end(undefined, error)
    this.#avoid = connection
    this.#refused = error
    const delayMs = this.#pool.retries.delayMs(this.#attempt++, error)
    this.#retry = this.#ports.timers.after(delayMs, () => {
      this.#retry = undefined
      this.start()
    })
  }

  onLost(): void {
    this.#connection = undefined
    if (this.#isOver) return
    if (this.#options.on === undefined) return this.start()
    this.end(undefined, new QuorateError('unavailable', 'the connection was lost', { retryable: true }))
  }

  #giveUp(error: QuorateError): void {
    this.#connection?.forget(this.#id)
    this.end(undefined, error)
  }

  end(answer: Answer | undefined, error: QuorateError | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#retry?.cancel()
    if (this.#onAbort !== undefined) this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#owner.ended(this.number)
    if (answer === undefined) this.#reject(error!)
    else this.#resolve(answer)
  }
}
