import { formatToken, QuorateError, watchedBytes } from '../model/index.ts'
import type { CoreWatchEvent, ServerMessage, Token, WatchMessage, WireWatchEvent } from '../model/index.ts'
import type { Timer } from '../platform/index.ts'
import { fullJitterMs } from './backoff.ts'
import type { NodeConnection, OpenRequest } from './node-connection.ts'
import type { NodePool } from './node-pool.ts'
import type { ClientPorts } from './options.ts'
import { ClientView } from './view.ts'

/** Bytes of events that nobody has taken: beyond, the watch is given back to the node until they are. */
const QUEUED_BYTES_MAX = 8 << 20

export type WatchTarget = Pick<WatchMessage, 'caller' | 'project' | 'scope' | 'prefix' | 'events' | 'table' | 'key'>

/**
 * A watch that outlives connections: opened again, wherever a node is, after the last event it was given, so that nothing is missed
 * and nothing comes twice.
 */
export class ClientWatch implements OpenRequest {
  readonly #ports: ClientPorts
  readonly #pool: NodePool
  readonly #target: WatchTarget
  readonly #signal: AbortSignal | undefined
  readonly #stopListening: () => void
  #from: Token
  #seq = 0
  #connection: NodeConnection | undefined
  #id = 0
  #attempt = 0
  #retry: Timer | undefined
  #events: { event: CoreWatchEvent; bytes: number }[] = []
  #queuedBytes = 0
  #isPaused = false
  #error: QuorateError | undefined
  #isOver = false
  #waiting: (() => void) | undefined

  constructor(ports: ClientPorts, pool: NodePool, target: WatchTarget, from: Token, signal: AbortSignal | undefined) {
    this.#ports = ports
    this.#pool = pool
    this.#target = target
    this.#from = from
    this.#signal = signal
    this.#stopListening = pool.onChange(() => this.#poolChanged())
  }

  async *events(): AsyncGenerator<CoreWatchEvent, void> {
    const stop = (): void => this.#wake()
    this.#signal?.addEventListener('abort', stop)
    this.#open()
    try {
      while (this.#signal?.aborted !== true) {
        const next = this.#take()
        if (next !== undefined) yield next
        else if (this.#error !== undefined) throw this.#error
        else await new Promise<void>(resolve => (this.#waiting = resolve))
      }
    } finally {
      this.#signal?.removeEventListener('abort', stop)
      this.#stop()
      for (const { event } of this.#events) if (event.type === 'reset') void event.view.close()
      this.#events = []
    }
  }

  /** Ends the iteration with `error`, after what it has not taken yet. */
  fail(error: QuorateError): void {
    this.#error ??= error
    this.#stop()
    this.#wake()
  }

  #stop(): void {
    this.#isOver = true
    this.#retry?.cancel()
    this.#stopListening()
    this.#give()
  }

  #wake(): void {
    this.#waiting?.()
    this.#waiting = undefined
  }

  #take(): CoreWatchEvent | undefined {
    const next = this.#events.shift()
    if (next === undefined) return undefined
    this.#queuedBytes -= next.bytes
    if (this.#isPaused && this.#queuedBytes < QUEUED_BYTES_MAX / 2) {
      this.#isPaused = false
      this.#open()
    }
    return next.event
  }

  #open(): void {
    if (this.#isOver || this.#isPaused || this.#connection !== undefined || this.#retry !== undefined) return
    const connection = this.#pool.readTarget(undefined)
    if (connection === undefined) return
    this.#connection = connection
    try {
      this.#id = connection.request({ type: 'watch', requestId: 0, ...this.#target, from: this.#from }, this)
    } catch (error) {
      this.#connection = undefined
      const known = error instanceof QuorateError
      this.fail(
        known ? error : new QuorateError('invalid_argument', 'no such watch can be asked for', { cause: error }),
      )
    }
  }

  #poolChanged(): void {
    const connection = this.#connection
    // A node that asks its clients to go has no events for long, and one that has lost the leader none at all.
    if (connection !== undefined && (connection.isLeaving || this.#pool.isCutOff(connection))) {
      if (this.#pool.readTarget(connection) === connection) return
      this.#give()
    }
    this.#open()
  }

  /** Gives the watch back to its node; it goes on from its last event. */
  #give(): void {
    this.#connection?.forget(this.#id)
    this.#connection = undefined
  }

  onAnswer(message: ServerMessage, connection: NodeConnection): void {
    if (this.#isOver || this.#connection !== connection) return
    if (message.type === 'watchEvents') {
      this.#attempt = 0
      for (const event of message.events) this.#push(event, connection)
      if (this.#queuedBytes > QUEUED_BYTES_MAX) {
        this.#isPaused = true
        this.#give()
      }
      return this.#wake()
    }
    this.#connection = undefined
    if (message.type === 'error' && !message.error.retryable) return this.fail(message.error)
    const leastMs = message.type === 'error' ? (message.error.backoffMs ?? 0) : 0
    this.#openLater(leastMs)
  }

  onLost(connection: NodeConnection): void {
    if (this.#connection !== connection) return
    this.#connection = undefined
    this.#open()
  }

  #openLater(leastMs: number): void {
    const delayMs = Math.max(leastMs, fullJitterMs(this.#attempt++, this.#ports.random))
    this.#retry = this.#ports.timers.after(delayMs, () => {
      this.#retry = undefined
      this.#open()
    })
  }

  #push(event: WireWatchEvent, connection: NodeConnection): void {
    const { historyId } = connection
    const { seq } = event
    if (event.type === 'reset') {
      const view = new ClientView(connection, event.viewId, seq)
      this.#queue({ type: 'reset', seq, historyId, view }, 64)
    } else if (seq < this.#seq || (seq === this.#seq && event.type !== 'progress')) {
      return
    } else if (event.type === 'progress') {
      if (this.#events.at(-1)?.event.type === 'progress') this.#events.pop()
      this.#queue({ type: 'progress', seq, historyId }, 0)
    } else if (event.type === 'rows') {
      this.#queue({ ...event, historyId }, watchedBytes(event))
    } else {
      let bytes = 64
      for (const { key, value } of event.changes) bytes += 64 + key.length + (value?.length ?? 0)
      this.#queue({ type: 'commit', seq, historyId, changes: event.changes }, bytes)
    }
    this.#seq = seq
    this.#from = formatToken(historyId, seq)
  }

  #queue(event: CoreWatchEvent, bytes: number): void {
    this.#events.push({ event, bytes })
    this.#queuedBytes += bytes
  }
}
