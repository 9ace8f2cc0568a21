import { isDeepStrictEqual } from 'node:util'
import {
  bytesToHex,
  decodeEnvelope,
  encodeOutcome,
  equalBytes,
  repeatedOutcome,
  type Outcome,
} from '../../src/encoding/index.ts'
import {
  formatToken,
  refusalError,
  QuorateError,
  ROOT_CALLER,
  seqOfToken,
  type CoreOptions,
  type CoreOutcome,
  type CoreRead,
  type CoreView,
  type CoreWatchEvent,
  type CoreWatchSelector,
  type DatabaseCore,
  type DatabaseStatus,
  type ReadRequest,
  type ReadResult,
  type RequestReference,
  type Token,
} from '../../src/model/index.ts'
import { answerPlaceRead } from './reference-places.ts'
import { answerPreflight, requirePlace } from './reference-preflight.ts'
import { answerTableRead, cursorSeq, isTableRead } from './reference-query.ts'
import { readEvents } from './reference-events.ts'
import { Refusal } from './reference-refusal.ts'
import { usageOf } from './reference-usage.ts'
import { asError, isWatchOfRows, requireWatchedTable, watchedRows } from './reference-table-watch.ts'
import { ReferenceState, type ChangeRecord } from './reference-state.ts'
import { VirtualTime } from './virtual-time.ts'

const HISTORY = '0123456789abcdef0123456789abcdef'
const SESSION = 1

/** A page of a scan holds few records, so that scans take several. */
const PAGE_RECORDS = 5

class ReferenceView implements CoreView {
  readonly historyId = HISTORY
  readonly state: ReferenceState
  isOpen = true
  constructor(state: ReferenceState) {
    this.state = state
  }
  get seq(): number {
    return this.state.seq
  }
  close(): Promise<void> {
    this.isOpen = false
    return Promise.resolve()
  }
}

/** A DatabaseCore on plain maps: the oracle that facade and conformance suite are tested against. */
export class ReferenceCore implements DatabaseCore {
  readonly clock = new VirtualTime()
  callTimeoutMs = 30_000
  readonly time: DatabaseCore['time'] = {
    monotonicMs: () => this.clock.nowMs,
    delay: (ms, signal) => this.clock.delay(ms, signal),
    random: () => 0.5,
  }
  readonly views = new Set<ReferenceView>()
  /** Requests that reached the core, by kind. */
  readonly calls = { submit: 0, read: 0, openView: 0, watch: 0 }
  /** Called before each submitted envelope is applied. */
  beforeSubmit: ((envelope: Uint8Array) => void) | undefined
  #state = new ReferenceState()
  readonly #history = new Map<number, ReferenceState>()
  readonly #changes: { seq: number; changes: ChangeRecord[] }[] = []
  #changesKeptAfter = 0
  #oldestSeq = 0
  #serial = 0
  readonly #outcomes = new Map<number, Uint8Array>()
  readonly #idempotent = new Map<string, { envelope: string; outcome: Uint8Array }>()
  readonly #wake = new Set<() => void>()
  #isClosed = false

  constructor() {
    this.#state.timeMicros = 1_000_000
    this.#history.set(0, this.#state.copy())
  }

  get openViews(): number {
    return [...this.views].filter(view => view.isOpen).length
  }

  /** Leader time passes, and with it a tick. */
  advanceTimeMs(ms: number): void {
    const next = this.#state.copy()
    next.timeMicros += ms * 1000
    next.seq++
    next.expire()
    this.#publish(next)
  }

  /** Watches can no longer resume before this point, and views of earlier seqs are gone. */
  forget(): void {
    this.#changesKeptAfter = this.#state.seq
    this.#oldestSeq = this.#state.seq
    this.#changes.length = 0
  }

  #requireOpen(options: CoreOptions): void {
    if (this.#isClosed) throw new QuorateError('closed', 'closed')
    if (options.signal?.aborted === true) throw new QuorateError('aborted', 'aborted')
  }

  leaderTimeMicros(): number {
    return this.#state.timeMicros
  }

  submit(envelope: Uint8Array, options: CoreOptions): Promise<CoreOutcome> {
    this.calls.submit++
    const reference = { session: SESSION, serial: ++this.#serial }
    return new Promise<CoreOutcome>((resolve, reject) => {
      this.#requireOpen(options)
      const give = (code: 'aborted' | 'timeout'): void =>
        reject(new QuorateError(code, 'the wait has ended', { applied: 'unknown', reference }))
      options.signal?.addEventListener('abort', () => give('aborted'), { once: true })
      setImmediate(() => {
        this.beforeSubmit?.(envelope)
        const outcome = this.#apply(envelope, options.caller ?? ROOT_CALLER)
        this.#outcomes.set(reference.serial, outcome)
        resolve({ outcome, historyId: HISTORY })
      })
    })
  }

  /** Applies at once, as another client would. */
  applyNow(envelope: Uint8Array): void {
    this.#apply(envelope, ROOT_CALLER)
  }

  #apply(bytes: Uint8Array, caller: string): Uint8Array {
    const envelope = decodeEnvelope(bytes)
    const key = envelope.idempotencyKey === undefined ? undefined : `${caller}/${envelope.idempotencyKey}`
    const recorded = key === undefined ? undefined : this.#idempotent.get(key)
    const next = this.#state.copy()
    next.seq++
    const refuse = (code: string, message: string, detail?: Refusal['detail']): Uint8Array => {
      const refused: Outcome = {
        status: 'refused',
        seq: next.seq,
        code,
        message,
        ...(detail !== undefined && { detail }),
      }
      const unchanged = this.#state.copy()
      unchanged.seq = next.seq
      this.#publish(unchanged)
      return encodeOutcome(refused)
    }
    if (recorded !== undefined) {
      return recorded.envelope === bytesToHex(bytes)
        ? repeatedOutcome(recorded.outcome)
        : refuse('idempotency_mismatch', 'other content')
    }
    if (bytes.length > next.settings.transactionBytesMax) return refuse('transaction_too_large', 'bytes')
    if (envelope.mutations.length > next.settings.mutationsMax) return refuse('transaction_too_large', 'mutations')
    try {
      const results = next.apply(envelope, caller)
      const outcome = encodeOutcome({ status: 'committed', seq: next.seq, results })
      if (key !== undefined) this.#idempotent.set(key, { envelope: bytesToHex(bytes), outcome })
      this.#publish(next)
      return outcome
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      return refuse(error.code, error.message, error.detail)
    }
  }

  #publish(next: ReferenceState): void {
    const { changes } = next
    next.changes = []
    this.#state = next
    this.#history.set(next.seq, next)
    if (changes.length > 0) this.#changes.push({ seq: next.seq, changes })
    for (const wake of this.#wake) wake()
  }

  async read(request: ReadRequest, options: CoreOptions & { view?: CoreView }): Promise<CoreRead> {
    this.calls.read++
    this.#requireOpen(options)
    await new Promise(setImmediate)
    const state = options.view === undefined ? this.#stateFor(options, request) : stateOf(options.view)
    return { result: this.#answer(state, request, options.caller ?? ROOT_CALLER), seq: state.seq, historyId: HISTORY }
  }

  #stateFor({ consistency }: CoreOptions, request?: ReadRequest): ReferenceState {
    const seq = request?.type === 'query' ? cursorSeq(request.query.cursor) : undefined
    if (seq !== undefined) return this.#stateAt(seq)
    if (typeof consistency !== 'object') return this.#state
    if ('minSeq' in consistency) {
      const seq = seqOfToken(consistency.minSeq, HISTORY)
      if (seq > this.#state.seq) throw new QuorateError('timeout', 'that seq was never applied', { retryable: true })
    }
    if ('atSeq' in consistency) {
      return this.#stateAt(seqOfToken(consistency.atSeq, HISTORY))
    }
    return this.#state
  }

  #stateAt(seq: number): ReferenceState {
    const state = seq < this.#oldestSeq ? undefined : this.#history.get(seq)
    if (state === undefined) {
      const detail = { oldestSeq: this.#oldestSeq, newestSeq: this.#state.seq }
      throw new QuorateError('seq_unavailable', `seq ${seq}`, { detail })
    }
    return state
  }

  #answer(state: ReferenceState, request: ReadRequest, caller: string): ReadResult {
    try {
      if (request.type === 'get') {
        state.records(request.project, request.scope)
        for (const key of request.keys) {
          if (!this.#state.allows(caller, 'kvRead', request, key)) throw new Refusal('permission_denied')
        }
        return { type: 'get', entries: request.keys.map(key => state.find({ ...request, key })) }
      }
      if (isTableRead(request))
        return answerTableRead(state, request, caller, grant => this.#state.allowsTable(caller, grant))
      if (request.type === 'projects' || request.type === 'scopes') {
        return answerPlaceRead(state, this.#state, request, caller)
      }
      if (request.type === 'settings') return { type: 'settings', settings: { ...state.settings } }
      if (request.type === 'jobs') {
        requirePlace(state, request)
        return { type: 'jobs', jobs: [] }
      }
      if (request.type === 'preflight') return answerPreflight(state, request.envelope, caller)
      if (request.type === 'events') return this.#events(state, request, caller)
      if (request.type === 'eventSummary') {
        const events = state.eventsOf(request.project, request.scope)
        if (!this.#mayReadAll(caller, request)) throw new Refusal('permission_denied')
        return {
          type: 'eventSummary',
          summary: events.summary(request.topic, request.afterTopic, request.topics),
        }
      }
      if (request.type === 'count') {
        state.records(request.project, request.scope)
        if (!this.#mayReadAll(caller, request)) throw new Refusal('permission_denied')
        return { type: 'count', keys: state.scan({ ...request, limit: 0 }).length }
      }
      if (request.type === 'usage') return this.#usage(state, request.project, caller)
      if (request.type !== 'scan') throw new Refusal('malformed_request', request.type)
      const low = request.start ?? new Uint8Array(0)
      const isWide = !this.#coversRange(request.start, request.end, caller)
      if (!this.#state.allows(caller, 'kvRead', request, low, isWide)) throw new Refusal('permission_denied')
      const limit = Math.min(request.limit, PAGE_RECORDS)
      const entries = state.scan({ ...request, limit: 0 })
      return { type: 'scan', entries: entries.slice(0, limit), more: entries.length > limit }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      throw refusalError({ code: error.code, message: error.message })
    }
  }

  #mayReadAll(caller: string, place: { project: string; scope: string }): boolean {
    return this.#state.allows(caller, 'kvRead', place, new Uint8Array(0), true)
  }

  #events(state: ReferenceState, request: Extract<ReadRequest, { type: 'events' }>, caller: string): ReadResult {
    const { project, scope } = request
    if (project !== undefined && scope !== undefined) {
      const events = state.eventsOf(project, scope)
      if (!this.#mayReadAll(caller, { project, scope })) throw new Refusal('permission_denied')
      return events.read(request)
    }
    if (project !== undefined && !state.projects.has(project)) throw new Refusal('project_not_found')
    const projects = project === undefined ? [...state.projects.keys()].sort() : [project]
    const places = projects.flatMap(name =>
      [...state.projects.get(name)!.keys()].sort().map(own => ({ project: name, scope: own })),
    )
    const readable = places.filter(place => this.#mayReadAll(caller, place))
    if (readable.length === 0 && !this.#state.isAdmin(caller)) throw new Refusal('permission_denied')
    const lists = readable.map(names => ({ names, events: state.eventsOf(names.project, names.scope) }))
    return readEvents(lists, request)
  }

  #usage(state: ReferenceState, project: string | undefined, caller: string): ReadResult {
    const maySee = (name: string): boolean =>
      this.#state.isAdmin(caller) ||
      this.#state.grants.some(
        grant =>
          grant.caller === caller && isDeepStrictEqual(grant.permission, { type: 'projectAdmin', project: name }),
      )
    if (project === undefined) {
      const projects = [...state.projects.keys()].filter(maySee).sort()
      return { type: 'usage', projects: projects.map(name => usageOf(state, name)) }
    }
    const usage = usageOf(state, project)
    if (!maySee(project)) throw new Refusal('permission_denied')
    return { type: 'usage', projects: [usage] }
  }

  /** Whether a grant by prefix covers all of the range. */
  #coversRange(start: Uint8Array | undefined, end: Uint8Array | undefined, caller: string): boolean {
    return this.#state.grants.some(({ caller: granted, permission }) => {
      const prefix = 'prefix' in permission ? permission.prefix : undefined
      if (granted !== caller || prefix === undefined || start === undefined || end === undefined) return false
      const last = end.slice(0, prefix.length)
      if (last.length > 0) last[last.length - 1]!--
      return (
        equalBytes(start.subarray(0, prefix.length), prefix) &&
        (equalBytes(last, prefix) || equalBytes(end.subarray(0, prefix.length), prefix))
      )
    })
  }

  openView(options: CoreOptions): Promise<CoreView> {
    this.calls.openView++
    try {
      this.#requireOpen(options)
      return Promise.resolve(this.#pin(this.#stateFor(options)))
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error('thrown', { cause: error }))
    }
  }

  #pin(state: ReferenceState): ReferenceView {
    const view = new ReferenceView(state)
    this.views.add(view)
    return view
  }

  async *watch(
    selector: CoreWatchSelector,
    options: CoreOptions & { from?: Token },
  ): AsyncGenerator<CoreWatchEvent, void, undefined> {
    this.calls.watch++
    this.#requireOpen(options)
    const caller = options.caller ?? ROOT_CALLER
    if (isWatchOfRows(selector)) {
      yield* this.#watchRows(selector, caller, options)
      return
    }
    if (!this.#state.allows(caller, 'kvRead', selector, selector.prefix)) {
      throw new QuorateError('permission_denied', 'no')
    }
    this.#answer(this.#state, { type: 'get', project: selector.project, scope: selector.scope, keys: [] }, caller)
    let seen = options.from === undefined ? this.#state.seq : seqOfToken(options.from, HISTORY)
    if (seen < this.#changesKeptAfter) {
      seen = this.#state.seq
      yield { type: 'reset', seq: seen, historyId: HISTORY, view: this.#pin(this.#state) }
    } else if (options.from === undefined) {
      yield { type: 'progress', seq: seen, historyId: HISTORY }
    }
    while (options.signal?.aborted !== true && !this.#isClosed) {
      const from = seen
      const through = this.#state.seq
      for (const { seq, changes } of this.#changes.filter(group => group.seq > from)) {
        seen = seq
        const selected = changes.filter(
          ({ project, scope, key, isEvent = false }) =>
            isEvent === (selector.events === true) &&
            project === selector.project &&
            scope === selector.scope &&
            equalBytes(key.subarray(0, selector.prefix.length), selector.prefix),
        )
        if (selected.length === 0) continue
        const events = selected.map(({ key, kind, value }) => ({ key, kind, value, seq }))
        yield { type: 'commit', seq, historyId: HISTORY, changes: events }
      }
      if (through > seen) {
        seen = through
        yield { type: 'progress', seq: seen, historyId: HISTORY }
      }
      if (this.#state.seq > seen) continue
      await this.#nextChange(options.signal)
    }
  }

  async *#watchRows(
    selector: CoreWatchSelector & { table: string },
    caller: string,
    options: CoreOptions & { from?: Token },
  ): AsyncGenerator<CoreWatchEvent, void, undefined> {
    let seen = options.from === undefined ? this.#state.seq : seqOfToken(options.from, HISTORY)
    let isLost = seen < this.#changesKeptAfter
    while (options.signal?.aborted !== true && !this.#isClosed) {
      requireWatchedTable(this.#state, selector, caller)
      if (isLost) {
        isLost = false
        seen = this.#state.seq
        yield { type: 'reset', seq: seen, historyId: HISTORY, view: this.#pin(this.#state) }
      } else if (this.#state.seq > seen) {
        const [before, after] = [this.#history.get(seen)!, this.#history.get(seen + 1)!]
        try {
          const rows = watchedRows(before, after, selector, caller)
          isLost = rows === 'reset'
          if (rows !== 'reset') {
            seen++
            if (rows.changes.length > 0) yield { type: 'rows', seq: seen, historyId: HISTORY, ...rows }
          }
        } catch (error) {
          throw asError(error)
        }
      } else await this.#nextChange(options.signal)
    }
  }

  #nextChange(signal: AbortSignal | undefined): Promise<void> {
    return new Promise(resolve => {
      const done = (): void => {
        this.#wake.delete(done)
        signal?.removeEventListener('abort', done)
        resolve()
      }
      this.#wake.add(done)
      signal?.addEventListener('abort', done, { once: true })
      if (signal?.aborted === true) done()
    })
  }

  outcome(reference: RequestReference): Promise<CoreOutcome | undefined> {
    const outcome = reference.session === SESSION ? this.#outcomes.get(reference.serial) : undefined
    return Promise.resolve(outcome === undefined ? undefined : { outcome, historyId: HISTORY })
  }

  status(): Promise<DatabaseStatus> {
    return Promise.resolve({
      deployment: 'engine',
      historyId: HISTORY,
      appliedSeq: this.#state.seq,
      commitSeq: this.#state.seq,
      term: 1,
      role: 'alone',
      nodeId: 1,
      leader: undefined,
      members: [],
    })
  }

  get token(): Token {
    return formatToken(HISTORY, this.#state.seq)
  }

  close(): Promise<void> {
    this.#isClosed = true
    for (const wake of this.#wake) wake()
    return Promise.resolve()
  }
}

function stateOf(view: CoreView): ReferenceState {
  if (!(view instanceof ReferenceView)) throw new Error('a view of another core')
  if (!view.isOpen) throw new QuorateError('view_expired', 'closed')
  return view.state
}
