import { encodeRequest } from '../../encoding/index.ts'
import type { RequestHeader } from '../../encoding/index.ts'
import {
  cancelled,
  consistencyOfRead,
  describeRead,
  noteSlowRead,
  NumberMap,
  QuorateError,
  ROOT_CALLER,
  seqOfToken,
} from '../../model/index.ts'
import type {
  ClientMessage,
  CommitMessage,
  Consistency,
  OpenViewMessage,
  ReadMessage,
  ReadRequest,
  ReadResult,
  RunningRequest,
  StateView,
  WatchMessage,
  WireWatchEvent,
} from '../../model/index.ts'
import { CloseCode } from './close-code.ts'
import { Greeting } from './greeting.ts'
import type { Recheck } from './options.ts'
import type { ClientChannel, Shared } from './shared.ts'
import { ConnectionViews } from './views.ts'
import { ClientWatch } from './watches.ts'
import type { WatchOwner } from './watches.ts'

/** A read, view or watch on its way; `isCancelled` when nobody waits for it any more. */
interface Waiting {
  isCancelled: boolean
  readonly sinceMs: number
  readonly message: ReadMessage | OpenViewMessage | WatchMessage
  /** When there was a state to read from; 0 = not yet. */
  startedMs: number
}

/** Callers that a connection remembers to have acted for. */
const IMPERSONATED_MAX = 256
/** After "busy" for a serial, later ones are refused until it is offered again, or for so long. */
const HELD_BACK_MS = 2_000

/** What a client's messages mean: each becomes one call of `NodeService`, whose answer becomes one message. */
export class ClientRequests implements WatchOwner {
  readonly #connection: ClientChannel
  readonly #shared: Shared
  readonly #greeting: Greeting
  readonly #views: ConnectionViews
  /** Of the commit that is taken in; one object for all of them. */
  readonly #header: RequestHeader = {
    caller: '',
    session: 0,
    serial: 0,
    acknowledgedThrough: 0,
    notAfterMicros: 0,
    copy: 0,
  }
  readonly #waiting = new NumberMap<Waiting>()
  readonly #watches = new Map<number, ClientWatch>()
  #inFlight = 0
  #inFlightBytes = 0
  /** The serial that was refused with "busy" and must come again before later ones, and when that was. 0 = none. */
  #heldBackSerial = 0
  #heldBackAtMs = 0
  #areWatchesFull = false
  /** Callers in whose name this connection has read. */
  readonly #impersonated = new Set<string>()
  /** Reads that can be made, once the client has taken earlier answers. */
  #postponed: (() => void)[] = []

  constructor(connection: ClientChannel, shared: Shared) {
    this.#connection = connection
    this.#shared = shared
    this.#greeting = new Greeting(connection, shared)
    this.#views = new ConnectionViews(shared.stats)
  }

  get isWelcome(): boolean {
    return this.#greeting.isWelcome
  }

  get isOpening(): boolean {
    return this.#greeting.isOpening
  }

  /** So much is unanswered that nothing more should be read. */
  get isOverfull(): boolean {
    const { inFlightMax, inFlightBytesMax } = this.#shared.limits
    return this.#inFlight > inFlightMax || this.#inFlightBytes > inFlightBytesMax
  }

  get isHalfFull(): boolean {
    const { inFlightMax, inFlightBytesMax } = this.#shared.limits
    return this.#inFlight > inFlightMax / 2 || this.#inFlightBytes > inFlightBytesMax / 2
  }

  get unsentBytes(): number {
    return this.#connection.unsentBytes
  }

  recheck(callerOf: Recheck): void {
    this.#greeting.recheck(callerOf)
  }

  handle(message: ClientMessage): void {
    if (message.type === 'hello') return this.#greeting.hello(message)
    if (!this.#greeting.isKnown) {
      return this.#connection.refuse(new QuorateError('unauthenticated', 'hello comes first'), CloseCode.policy)
    }
    if (message.requestId === 0 && message.type !== 'ping' && message.type !== 'closeView') {
      const error = new QuorateError('malformed_request', `${message.type}: request ids begin at 1`)
      return this.#connection.refuse(error, CloseCode.protocol)
    }
    switch (message.type) {
      case 'commit':
        return this.#commit(message)
      case 'read':
        return this.#read(message)
      case 'openView':
        return this.#openView(message)
      case 'closeView':
        return this.#views.close(message.viewId)
      case 'watch':
        return this.#watch(message)
      case 'cancel':
        return this.#cancel(message.requestId)
      case 'ping': {
        const { leaderTimeMicros } = this.#shared.options.service
        return this.#connection.send({ type: 'pong', requestId: message.requestId, leaderTimeMicros })
      }
      case 'status': {
        const status = this.#shared.options.service.status()
        return this.#connection.send({ type: 'status', requestId: message.requestId, status })
      }
      default:
        throw new RangeError(`unknown message ${(message satisfies never as ClientMessage).type}`)
    }
  }

  /** hot path: bench/gateway. Who may act as `caller` in this session is decided where the request is applied. */
  #commit(message: CommitMessage): void {
    const { requestId, serial } = message
    const { session } = this.#greeting
    this.#shared.stats.commitsTotal++
    const refusal = this.#refusalOf(message, session)
    if (refusal !== undefined) return this.#connection.sendError(requestId, refusal)
    const header = this.#header
    header.caller = this.#callerOf(message.caller)
    header.session = session
    header.serial = serial
    header.acknowledgedThrough = message.acknowledgedThrough
    header.notAfterMicros = message.notAfterMicros
    header.copy = message.copy
    const request = encodeRequest(header, message.envelope)
    const bytes = request.length
    const sinceMs = this.#connection.readAtMs
    this.#inFlight++
    this.#inFlightBytes += bytes
    this.#shared.options.service.submit(request, (outcome, error) => {
      this.#inFlight--
      this.#inFlightBytes -= bytes
      this.#shared.stats.commitLatency.record(this.#connection.saidAtMs - sinceMs)
      if (outcome !== undefined) return this.#connection.sendOutcome(requestId, outcome)
      this.#commitFailed(requestId, session, serial, error!)
    })
  }

  #commitFailed(requestId: number, session: number, serial: number, error: QuorateError): void {
    if (error.code === 'busy' && session === this.#greeting.session) {
      this.#heldBackSerial = this.#heldBackSerial === 0 ? serial : Math.min(serial, this.#heldBackSerial)
      this.#heldBackAtMs = this.#nowMs
    }
    this.#connection.sendError(requestId, error)
  }

  #refusalOf(message: CommitMessage, session: number): QuorateError | undefined {
    const { serial, copy, notAfterMicros, acknowledgedThrough } = message
    const applied = copy === 0 ? 'no' : 'unknown'
    if (session === 0) {
      return this.#greeting.isOpening
        ? new QuorateError('unavailable', 'the session is being opened', { retryable: true, applied })
        : new QuorateError('session_ended', 'this connection has no session: hello opens one', { applied })
    }
    // A copy may have been applied before: its recorded outcome is looked up, however late it is.
    if (notAfterMicros !== 0 && copy === 0 && notAfterMicros < this.#connection.readAtMicros) {
      return new QuorateError('expired', 'the time of the request was over when it arrived')
    }
    if (this.#heldBackSerial === 0) return undefined
    const isLifted =
      serial <= this.#heldBackSerial ||
      acknowledgedThrough >= this.#heldBackSerial ||
      this.#nowMs - this.#heldBackAtMs > HELD_BACK_MS
    if (!isLifted) {
      const text = `serial ${this.#heldBackSerial} was refused and comes first`
      return new QuorateError('busy', text, { retryable: true, backoffMs: 50, applied })
    }
    this.#heldBackSerial = 0
    return undefined
  }

  #begin(message: Waiting['message']): Waiting | undefined {
    const { requestId } = message
    if (this.#waiting.has(requestId) || this.#watches.has(requestId)) {
      const error = new QuorateError('malformed_request', `request id ${requestId} is in use`)
      this.#connection.refuse(error, CloseCode.protocol)
      return undefined
    }
    const waiting = { isCancelled: false, sinceMs: this.#connection.readAtMs, message, startedMs: 0 }
    this.#waiting.set(requestId, waiting)
    this.#inFlight++
    return waiting
  }

  /** Answers whether somebody still waits. */
  #finish(requestId: number, waiting: Waiting): boolean {
    if (waiting.isCancelled) return false
    waiting.isCancelled = true
    this.#waiting.delete(requestId)
    this.#inFlight--
    return true
  }

  #cancel(requestId: number): void {
    const waiting = this.#waiting.get(requestId)
    if (waiting !== undefined) this.#finish(requestId, waiting)
    this.#endWatch(requestId)
  }

  /** What this connection waits for, and its watches; commits are listed by who has them. */
  running(prefix: string, nowMs: number): RunningRequest[] {
    const waiting = this.#waiting.entries().map(([requestId, { message, sinceMs, startedMs }]): RunningRequest => {
      const [id, ageMs, caller] = [`${prefix}-${requestId}`, nowMs - sinceMs, this.#callerOf(message.caller)]
      if (message.type === 'read') {
        return describeRead(id, 'websocket', message.request, caller, startedMs !== 0, ageMs)
      }
      const project = message.type === 'watch' && { project: message.project }
      const kind = message.type === 'watch' ? 'watch' : 'view'
      return { id, door: 'websocket', kind, caller, ...project, state: 'waiting', ageMs }
    })
    const watches = [...this.#watches].map(([requestId, watch]) => watch.describe(`${prefix}-${requestId}`, nowMs))
    return [...waiting, ...watches]
  }

  /** An operator ends a request. False = there is none of this id. */
  endRequest(requestId: number): boolean {
    const waiting = this.#waiting.get(requestId)
    if (waiting !== undefined) this.#fail(requestId, waiting, cancelled())
    else if (this.#watches.has(requestId)) this.watchFailed(requestId, cancelled())
    else return false
    return true
  }

  #fail(requestId: number, waiting: Waiting, error: unknown): void {
    if (!this.#finish(requestId, waiting)) return
    if (error instanceof QuorateError) this.#connection.sendError(requestId, error)
    else this.#connection.fault(requestId, error)
  }

  #read(message: ReadMessage): void {
    const { requestId, request, viewId, consistency } = message
    const waiting = this.#begin(message)
    if (waiting === undefined) return
    this.#shared.stats.readsTotal++
    const caller = this.#callerOf(message.caller)
    if (viewId !== 0) {
      const view = this.#views.use(viewId, this.#nowMs)
      if (view !== undefined) return this.#readFrom(view, false, requestId, waiting, request, caller)
      return this.#fail(requestId, waiting, new QuorateError('view_expired', `there is no view ${viewId}`))
    }
    const { service } = this.#shared.options
    let wanted: Consistency
    try {
      wanted = consistencyOfRead(request, consistency, service.historyId)
    } catch (error) {
      return this.#fail(requestId, waiting, error)
    }
    service.whenReadable(wanted, this.#deadline(message.timeoutMs), (view, error) => {
      if (view === undefined) return this.#fail(requestId, waiting, error!)
      this.#readFrom(view, true, requestId, waiting, request, caller)
    })
  }

  /** Reads and answers; most reads need no promise. */
  #readFrom(
    view: StateView,
    isOwned: boolean,
    requestId: number,
    waiting: Waiting,
    request: ReadRequest,
    caller: string,
  ): void {
    if (waiting.isCancelled) {
      if (isOwned) view.release()
      return
    }
    if (this.#connection.unsentBytes > this.#shared.limits.unsentBytesHigh) {
      this.#postponed.push(() => this.#readFrom(view, isOwned, requestId, waiting, request, caller))
      return this.#connection.choke()
    }
    waiting.startedMs = this.#nowMs
    const answer = (result: ReadResult): void => {
      const nowMs = this.#nowMs
      if (nowMs - waiting.sinceMs >= this.#shared.slowMs) noteSlow(this.#shared, waiting, request, caller, view, nowMs)
      if (isOwned) view.release()
      if (!this.#finish(requestId, waiting)) return
      this.#shared.stats.readLatency.record(nowMs - waiting.sinceMs)
      if (request.type === 'query') this.#shared.stats.queries.record(nowMs - waiting.sinceMs)
      this.#connection.send({ type: 'readResult', requestId, seq: view.seq, result })
    }
    const failed = (error: unknown): void => {
      if (isOwned) view.release()
      this.#fail(requestId, waiting, error)
    }
    try {
      const permitted = this.#permit(view, caller)
      const result =
        permitted === undefined
          ? view.read(request, caller, waiting)
          : permitted.then(() => view.read(request, caller, waiting))
      if (result instanceof Promise) result.then(answer, failed)
      else answer(result)
    } catch (error) {
      failed(error)
    }
  }

  /** Makes postponed reads while the client takes their answers. Answers whether all are made. */
  runPostponed(): boolean {
    const postponed = this.#postponed
    this.#postponed = []
    for (const read of postponed) read()
    return this.#postponed.length === 0
  }

  /** Acting as somebody else needs the permission `impersonate`, by the newest permissions. @throws QuorateError */
  #permit(view: StateView, caller: string): Promise<void> | undefined {
    const { identity } = this.#greeting
    if (caller === identity) return undefined
    if (identity === ROOT_CALLER) {
      this.#noteImpersonation(caller)
      return undefined
    }
    const grants = view.read({ type: 'grants', caller: identity }, identity)
    const require = (result: ReadResult): void => {
      requireImpersonate(result, identity)
      this.#noteImpersonation(caller)
    }
    if (grants instanceof Promise) return grants.then(require)
    require(grants)
    return undefined
  }

  #noteImpersonation(caller: string): void {
    if (this.#impersonated.has(caller)) return
    // More callers than that are told again and again, and nothing grows.
    if (this.#impersonated.size < IMPERSONATED_MAX) this.#impersonated.add(caller)
    this.#shared.options.onImpersonation?.(this.#greeting.identity, caller)
  }

  #openView(message: OpenViewMessage): void {
    const { requestId, consistency } = message
    const waiting = this.#begin(message)
    if (waiting === undefined) return
    const full = this.#viewsFull()
    if (full !== undefined) return this.#fail(requestId, waiting, full)
    this.#shared.options.service.whenReadable(consistency, this.#deadline(message.timeoutMs), (view, error) => {
      if (view === undefined) return this.#fail(requestId, waiting, error!)
      // Others that were asked for together with it may have been opened meanwhile.
      const viewId = waiting.isCancelled ? undefined : this.keepView(view)
      if (typeof viewId !== 'number') {
        view.release()
        if (viewId !== undefined) this.#fail(requestId, waiting, viewId)
        return
      }
      this.#finish(requestId, waiting)
      this.#connection.send({ type: 'viewOpened', requestId, viewId, seq: view.seq })
    })
  }

  #watch(message: WatchMessage): void {
    const { requestId, project, scope, from, table, key } = message
    const { service } = this.#shared.options
    const what = {
      ...(message.events === true && { events: true as const }),
      ...(table !== undefined && { table }),
      ...(key !== undefined && { key }),
    }
    const waiting = this.#begin(message)
    if (waiting === undefined) return
    const { watchesMax } = this.#shared.limits
    const caller = this.#callerOf(message.caller)
    const prefix = message.prefix.slice()
    const open = (): void => {
      if (waiting.isCancelled) return
      if (this.#watches.size >= watchesMax) return this.#fail(requestId, waiting, tooMany('watches', watchesMax))
      const watch = new ClientWatch(this, message, caller, this.#nowMs)
      try {
        const fromSeq = from === undefined ? undefined : seqOfToken(from, service.historyId)
        watch.start(sink => service.watch({ caller, project, scope, prefix, ...what }, fromSeq, sink))
      } catch (error) {
        watch.close()
        return this.#fail(requestId, waiting, error)
      }
      if (!this.#finish(requestId, waiting)) return watch.close()
      this.#watches.set(requestId, watch)
      this.#shared.stats.watches++
      this.#shared.stats.watchesTotal++
    }
    if (caller === this.#greeting.identity) return open()
    service.whenReadable('local', this.#deadline(0), (view, error) => {
      if (view === undefined) return this.#fail(requestId, waiting, error!)
      try {
        const permitted = this.#permit(view, caller)
        if (permitted === undefined) open()
        else permitted.then(open, (denied: unknown) => this.#fail(requestId, waiting, denied))
      } catch (denied) {
        this.#fail(requestId, waiting, denied)
      }
      view.release()
    })
  }

  /** Why no more views can be opened now. */
  #viewsFull(): QuorateError | undefined {
    const { limits, stats } = this.#shared
    const isFull = this.#views.count >= limits.viewsMax
    if (!isFull && stats.views < limits.viewsOpenMax) return undefined
    const message = isFull
      ? `a connection has at most ${limits.viewsMax} views open`
      : `the connections of a node have at most ${limits.viewsOpenMax} views open`
    return new QuorateError('view_limit', message, { retryable: true, backoffMs: 500 })
  }

  sendEvent(requestId: number, event: WireWatchEvent): void {
    this.#connection.send({ type: 'watchEvents', requestId, events: [event] })
    if (this.#connection.unsentBytes > this.#shared.limits.unsentBytesHigh / 2) this.#areWatchesFull = true
  }

  keepView(view: StateView): number | QuorateError {
    return this.#viewsFull() ?? this.#views.add(view, this.#nowMs)
  }

  watchFailed(requestId: number, error: QuorateError): void {
    this.#endWatch(requestId)
    const waiting = this.#waiting.get(requestId)
    if (waiting !== undefined) this.#finish(requestId, waiting)
    this.#connection.sendError(requestId, error)
  }

  #endWatch(requestId: number): void {
    const watch = this.#watches.get(requestId)
    if (watch === undefined) return
    this.#watches.delete(requestId)
    this.#shared.stats.watches--
    watch.close()
  }

  /** The client takes its answers again: watches that were paused go on. */
  resumeWatches(): void {
    if (!this.#areWatchesFull) return
    this.#areWatchesFull = false
    for (const watch of this.#watches.values()) watch.resume()
  }

  sweep(nowMs: number): void {
    this.#views.expire(nowMs, this.#shared.limits)
  }

  /** The connection is gone: nobody waits for anything. What was submitted is applied all the same. */
  end(): void {
    for (const [requestId, waiting] of this.#waiting.entries()) this.#finish(requestId, waiting)
    for (const requestId of this.#watches.keys()) this.#endWatch(requestId)
    this.#views.closeAll()
    // Nobody waits for them any more: they release their views.
    for (const read of this.#postponed.splice(0)) read()
  }

  get #nowMs(): number {
    return this.#shared.options.clock.monotonicMs()
  }

  #callerOf(caller: string): string {
    return caller === '' ? this.#greeting.caller : caller
  }

  #deadline(timeoutMs: number): number {
    return this.#connection.readAtMs + (timeoutMs === 0 ? this.#shared.limits.readMs : timeoutMs)
  }
}

function tooMany(what: string, most: number): QuorateError {
  return new QuorateError('busy', `a connection has at most ${most} ${what}`, { retryable: true, backoffMs: 500 })
}

function noteSlow(
  { options: { service, slow } }: Shared,
  { sinceMs, startedMs }: Waiting,
  request: ReadRequest,
  caller: string,
  view: StateView,
  nowMs: number,
): void {
  const phases = { queueMs: startedMs - sinceMs, runMs: nowMs - startedMs, replyMs: 0 }
  const { leaderTimeMicros: timeMicros } = service
  if (slow !== undefined) void noteSlowRead(slow, { request, caller, phases, timeMicros }, view)
}

function requireImpersonate(result: ReadResult, identity: string): void {
  const isPermitted =
    result.type === 'grants' &&
    result.grants.some(({ permission }) => permission.type === 'impersonate' || permission.type === 'admin')
  if (!isPermitted) throw new QuorateError('permission_denied', `${identity} may not act as another caller`)
}
