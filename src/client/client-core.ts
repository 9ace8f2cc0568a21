import { formatToken, QuorateError } from '../model/index.ts'
import type {
  Consistency,
  CoreOptions,
  CoreOutcome,
  CoreRead,
  CoreView,
  CoreWatchEvent,
  CoreWatchSelector,
  DatabaseCore,
  DatabaseStatus,
  ReadRequest,
  RequestReference,
  ServerMessage,
  Token,
} from '../model/index.ts'
import { paceOn } from '../platform/index.ts'
import { Exchanges } from './exchange.ts'
import type { Answer } from './exchange.ts'
import type { NodePool } from './node-pool.ts'
import type { ClientPorts, ClientSettings } from './options.ts'
import { ClientSession } from './session.ts'
import type { StatusEvents } from './status-events.ts'
import { ClientView } from './view.ts'
import { ClientWatch } from './watch.ts'

const DRAIN_POLL_MS = 5

/** The cluster as a `DatabaseCore`, through connections that come and go. */
export class ClientCore implements DatabaseCore {
  readonly #ports: ClientPorts
  readonly #pool: NodePool
  readonly #session: ClientSession
  readonly #exchanges: Exchanges
  readonly #events: StatusEvents
  readonly #watches = new Set<ClientWatch>()
  readonly time: DatabaseCore['time']
  readonly callTimeoutMs: number
  #isClosed = false

  constructor(ports: ClientPorts, settings: ClientSettings, pool: NodePool, events: StatusEvents) {
    this.#ports = ports
    this.#pool = pool
    this.#events = events
    this.#session = new ClientSession(ports, settings, pool, events)
    this.#exchanges = new Exchanges(ports, settings, pool)
    this.callTimeoutMs = settings.timeoutMs
    this.time = paceOn(ports)
  }

  leaderTimeMicros(): number {
    return this.#pool.leaderTimeMicros
  }

  submit(envelope: Uint8Array, options: CoreOptions): Promise<CoreOutcome> {
    return this.#session.submit(envelope, options)
  }

  /** hot path: bench/cluster. */
  read(request: ReadRequest, options: CoreOptions & { view?: CoreView }): Promise<CoreRead> {
    if (options.view !== undefined) return this.#readView(request, options, options.view as ClientView)
    const { caller = '', consistency = 'linearizable' } = options
    const asked = this.#exchanges.ask(
      timeoutMs => ({ type: 'read', requestId: 0, timeoutMs, viewId: 0, consistency, caller, request }),
      options,
    )
    return asked.then(newestRead)
  }

  async #readView(request: ReadRequest, options: CoreOptions, view: ClientView): Promise<CoreRead> {
    const { caller = '' } = options
    const ask = async (): Promise<CoreRead> => {
      const { connection, viewId } = view
      const { message } = await this.#exchanges.ask(
        timeoutMs => ({ type: 'read', requestId: 0, timeoutMs, viewId, consistency: 'local', caller, request }),
        { ...options, on: connection },
      )
      return readOf(message, view.historyId)
    }
    const deadlineMs = options.timeoutMs === undefined ? undefined : this.time.monotonicMs() + options.timeoutMs
    try {
      return await ask()
    } catch (error) {
      const isGone =
        error instanceof QuorateError &&
        (error.code === 'view_expired' || error.code === 'not_found' || error.retryable)
      if (!isGone || error.code === 'timeout' || view.isClosed || this.#isClosed) throw error
    }
    const left = deadlineMs === undefined ? {} : { timeoutMs: Math.max(1, deadlineMs - this.time.monotonicMs()) }
    await this.#reopen(view, { ...options, ...left })
    return ask()
  }

  /** Pins the same seq again, on whichever node still can. @throws QuorateError `view_expired` */
  async #reopen(view: ClientView, options: CoreOptions): Promise<void> {
    const consistency = { atSeq: formatToken(view.historyId, view.seq) }
    try {
      const again = await this.openView({ ...options, consistency })
      view.movedTo(again.connection, again.viewId)
    } catch (cause) {
      if (!(cause instanceof QuorateError) || cause.code !== 'seq_unavailable') throw cause
      throw new QuorateError('view_expired', `seq ${view.seq} cannot be pinned again: ${cause.message}`, { cause })
    }
  }

  async openView(options: CoreOptions): Promise<ClientView> {
    const { caller = '' } = options
    const consistency: Consistency = options.consistency ?? 'linearizable'
    const { message, connection } = await this.#exchanges.ask(
      timeoutMs => ({ type: 'openView', requestId: 0, timeoutMs, consistency, caller }),
      options,
    )
    if (message.type !== 'viewOpened') throw unexpected(message)
    return new ClientView(connection, message.viewId, message.seq)
  }

  async *watch(
    selector: CoreWatchSelector,
    options: CoreOptions & { from?: Token },
  ): AsyncGenerator<CoreWatchEvent, void> {
    const { caller = '', signal } = options
    const from = options.from ?? (await this.#newestToken(options))
    if (this.#isClosed) throw new QuorateError('closed', 'the client is closed')
    const watch = new ClientWatch(this.#ports, this.#pool, { ...selector, caller }, from, signal)
    this.#watches.add(watch)
    try {
      yield* watch.events()
    } finally {
      this.#watches.delete(watch)
    }
  }

  /** The point that a watch from now begins at: known before it begins, so that it can be resumed whatever happens. */
  async #newestToken(options: CoreOptions): Promise<Token> {
    const { signal, caller } = options
    const view = await this.openView({ ...(signal && { signal }), ...(caller !== undefined && { caller }) })
    await view.close()
    return formatToken(view.historyId, view.seq)
  }

  async outcome(reference: RequestReference, options: CoreOptions): Promise<CoreOutcome | undefined> {
    const { result, historyId } = await this.read({ type: 'outcome', ...reference }, options)
    if (result.type !== 'outcome' || result.outcome === undefined) return undefined
    return { outcome: result.outcome, historyId }
  }

  async status(): Promise<DatabaseStatus> {
    const { message } = await this.#exchanges.ask(() => ({ type: 'status', requestId: 0 }), {})
    if (message.type !== 'status') throw unexpected(message)
    return { ...message.status, deployment: 'client' }
  }

  /** Waits until nothing is on its way, at most `timeoutMs`. */
  async drain(timeoutMs: number): Promise<void> {
    const endMs = this.time.monotonicMs() + timeoutMs
    while (this.#session.waitingCount + this.#exchanges.openCount > 0 && this.time.monotonicMs() < endMs) {
      await this.time.delay(DRAIN_POLL_MS)
    }
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve()
    this.#isClosed = true
    this.#session.close()
    this.#exchanges.close()
    for (const watch of this.#watches) watch.fail(new QuorateError('closed', 'the client is closed'))
    this.#pool.close()
    this.#events.close()
    return Promise.resolve()
  }
}

function newestRead({ message, connection }: Answer): CoreRead {
  return readOf(message, connection.historyId)
}

function readOf(message: ServerMessage, historyId: string): CoreRead {
  if (message.type !== 'readResult') throw unexpected(message)
  return { result: message.result, seq: message.seq, historyId }
}

function unexpected(message: ServerMessage): QuorateError {
  return new QuorateError('internal', `a node answered with ${message.type}`)
}
