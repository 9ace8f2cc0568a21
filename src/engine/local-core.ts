import { notAfterOf } from '../encoding/index.ts'
import type { EntryBatch } from '../encoding/index.ts'
import {
  consistencyOfRead,
  DurationHistogram,
  noteSlowRead,
  PinnedView,
  QuorateError,
  ROOT_CALLER,
  seqOfToken,
  SlowRequests,
  watchState,
} from '../model/index.ts'
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
  StateView,
  Token,
} from '../model/index.ts'
import { paceOn } from '../platform/index.ts'
import type { Clock, Random, Timers } from '../platform/index.ts'
import type { LocalSequencer } from './local-sequencer.ts'
import type { EngineView } from './engine-view.ts'
import { OpenViews } from './open-views.ts'
import type { ViewLimits } from './open-views.ts'
import type { OwnSession, Submission } from './own-session.ts'
import { stateAt } from './state-at.ts'
import type { EngineStateMachine } from './state-machine.ts'

export interface LocalCoreOptions {
  machine: EngineStateMachine
  sequencer: Pick<LocalSequencer, 'failure' | 'durableSeq' | 'untilDurable'>
  clock: Clock
  timers: Timers
  random: Random
  /** Reads log entries for views of past seqs. */
  entries: (fromSeq: number, throughSeq: number) => Promise<EntryBatch>
  /** Opened. */
  session: Pick<OwnSession, 'submit' | 'abandon'> & { readonly slow?: SlowRequests }
  close: () => Promise<void>
  views?: ViewLimits | undefined
}

/** The embedded engine as a `DatabaseCore`: every acknowledged write is applied and published, so every read is linearizable. */
export class LocalCore implements DatabaseCore {
  readonly #options: LocalCoreOptions
  /** Commits and queries that took long. */
  readonly slow: SlowRequests
  /** How long queries take. */
  readonly queries: DurationHistogram = new DurationHistogram()
  readonly views: OpenViews
  #isClosed = false
  readonly durability: NonNullable<DatabaseCore['durability']>
  readonly time: DatabaseCore['time']

  constructor(options: LocalCoreOptions) {
    this.#options = options
    this.slow = options.session.slow ?? new SlowRequests(Number.POSITIVE_INFINITY)
    this.time = paceOn(options)
    this.views = new OpenViews(options.views ?? {}, options)
    this.durability = options.sequencer
  }

  get #historyId(): string {
    return this.#options.machine.historyId
  }

  leaderTimeMicros(): number {
    const { machine, clock } = this.#options
    return Math.max(machine.leaderTimeMicros, clock.wallMicros())
  }

  submit(envelope: Uint8Array, options: CoreOptions): Promise<CoreOutcome> {
    const { session, clock } = this.#options
    if (options.signal?.aborted === true) return Promise.reject(abortedBefore(options.signal))
    const { timeoutMs, caller = ROOT_CALLER } = options
    const notAfterMicros = timeoutMs === undefined ? 0 : notAfterOf(clock.wallMicros(), timeoutMs)
    return new Promise((resolve, reject) => {
      const submission = new Waiting(caller, envelope, notAfterMicros, this.#options, resolve, reject)
      submission.isEconomic = options.writeClass === 'economic'
      submission.isDurableAwaited = options.finality === 'durable'
      if (timeoutMs !== undefined || options.signal !== undefined) {
        submission.guard = this.#guard(submission, options, reject)
      }
      session.submit(submission)
    })
  }

  /** Watches the caller's own timeout and abort; returns what ends the watching. */
  #guard(submission: Submission, options: CoreOptions, reject: (error: QuorateError) => void): () => void {
    const { signal, timeoutMs } = options
    const giveUp = (code: 'aborted' | 'timeout', cause?: unknown): void => {
      stop()
      this.#options.session.abandon(submission)
      const { reference } = submission
      reject(new QuorateError(code, 'the caller stopped waiting', { applied: 'unknown', reference, cause }))
    }
    const onAbort = (): void => giveUp('aborted', signal!.reason)
    const timer = timeoutMs === undefined ? undefined : this.#options.timers.after(timeoutMs, () => giveUp('timeout'))
    const stop = (): void => {
      timer?.cancel()
      signal?.removeEventListener('abort', onAbort)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    return stop
  }

  /** @throws QuorateError `closed`, `storage_failed` */
  requireOpen(): void {
    if (this.#isClosed) throw new QuorateError('closed', 'the database is closed')
    const { failure } = this.#options.sequencer
    if (failure !== undefined) throw failure
  }

  read(request: ReadRequest, options: CoreOptions & { view?: CoreView }): Promise<CoreRead> {
    return request.type === 'query' ? this.#timed(request, options) : this.#read(request, options)
  }

  #timed(request: ReadRequest, options: CoreOptions & { view?: CoreView }): Promise<CoreRead> {
    const { clock } = this.#options
    const sinceMs = clock.monotonicMs()
    const { slow } = this
    return this.#read(request, options, view => {
      const runMs = clock.monotonicMs() - sinceMs
      this.queries.record(runMs)
      if (runMs < slow.thresholdMs) return
      const { caller = ROOT_CALLER } = options
      const phases = { queueMs: 0, runMs, replyMs: 0 }
      void noteSlowRead(slow, { request, caller, phases, timeMicros: view.leaderTimeMicros }, view)
    })
  }

  /** `onAnswer` is called before the view is let go. */
  async #read(
    request: ReadRequest,
    options: CoreOptions & { view?: CoreView },
    onAnswer?: (view: StateView) => void,
  ): Promise<CoreRead> {
    const caller = options.caller ?? ROOT_CALLER
    if (options.view !== undefined) {
      this.requireOpen()
      const { state } = options.view as PinnedView
      const result = await state.read(request, caller)
      onAnswer?.(state)
      return { result, seq: state.seq, historyId: this.#historyId }
    }
    const asked = options.consistency ?? 'linearizable'
    const view = await this.#stateFor(consistencyOfRead(request, asked, this.#historyId))
    try {
      const result = await view.read(request, caller)
      onAnswer?.(view)
      return { result, seq: view.seq, historyId: this.#historyId }
    } finally {
      view.release()
    }
  }

  async openView(options: CoreOptions): Promise<PinnedView> {
    this.views.requireRoom()
    return new PinnedView(this.views.add(await this.#stateFor(options.consistency)), this.#historyId)
  }

  /** A view of the newest state, counted until it is released. @throws QuorateError `view_limit`, `closed`, `storage_failed` */
  openLocalView(): EngineView {
    this.requireOpen()
    this.views.requireRoom()
    return this.views.add(this.#options.machine.view())
  }

  #stateFor(consistency: Consistency | undefined): EngineView | Promise<EngineView> {
    const { machine, entries } = this.#options
    this.requireOpen()
    return stateAt(machine, consistency, entries)
  }

  watch(selector: CoreWatchSelector, options: CoreOptions & { from?: Token }): AsyncIterable<CoreWatchEvent> {
    this.requireOpen()
    const { machine, entries } = this.#options
    const fromSeq = options.from === undefined ? undefined : seqOfToken(options.from, this.#historyId)
    const watched = { ...selector, caller: options.caller ?? ROOT_CALLER }
    return watchState({
      open: sink => machine.watch(watched, fromSeq, sink, entries),
      historyId: () => this.#historyId,
      wrapView: view => new PinnedView(view, this.#historyId),
      signal: options.signal,
    })
  }

  outcome(reference: RequestReference, options: CoreOptions): Promise<CoreOutcome | undefined> {
    return this.read({ type: 'outcome', ...reference }, options).then(({ result, historyId }) => {
      if (result.type !== 'outcome' || result.outcome === undefined) return undefined
      return { outcome: result.outcome, historyId, durableSeq: this.#options.sequencer.durableSeq }
    })
  }

  status(): Promise<DatabaseStatus> {
    const { machine } = this.#options
    const seq = machine.appliedSeq
    return Promise.resolve({
      deployment: 'engine',
      historyId: this.#historyId,
      appliedSeq: seq,
      commitSeq: seq,
      term: machine.appliedTerm,
      role: 'alone',
      nodeId: machine.configuration?.members[0]?.nodeId ?? 0,
      leader: undefined,
      members: [],
    })
  }

  close(): Promise<void> {
    this.#isClosed = true
    this.views.close()
    return this.#options.close()
  }
}

const NO_REFERENCE: RequestReference = { session: 0, serial: 0 }

/** A submission and who waits for it. */
class Waiting implements Submission {
  readonly caller: string
  readonly envelope: Uint8Array
  readonly notAfterMicros: number
  readonly #parts: Pick<LocalCoreOptions, 'machine' | 'sequencer'>
  readonly #resolve: (outcome: CoreOutcome) => void
  readonly #reject: (error: QuorateError) => void
  reference: RequestReference = NO_REFERENCE
  isAbandoned = false
  isEconomic = false
  /** Applied is not enough for its caller. */
  isDurableAwaited = false
  /** Ends the watching of the caller's own timeout and abort. */
  guard: (() => void) | undefined = undefined

  constructor(
    caller: string,
    envelope: Uint8Array,
    notAfterMicros: number,
    parts: Pick<LocalCoreOptions, 'machine' | 'sequencer'>,
    resolve: (outcome: CoreOutcome) => void,
    reject: (error: QuorateError) => void,
  ) {
    this.caller = caller
    this.envelope = envelope
    this.notAfterMicros = notAfterMicros
    this.#parts = parts
    this.#resolve = resolve
    this.#reject = reject
  }

  settle(outcome: Uint8Array | undefined, error: QuorateError | undefined): void {
    if (outcome !== undefined && this.isDurableAwaited) return this.#settleDurable(outcome)
    this.guard?.()
    if (outcome === undefined) this.#reject(error!)
    else this.#answer(outcome)
  }

  #answer(outcome: Uint8Array): void {
    const { machine, sequencer } = this.#parts
    this.#resolve({ outcome, historyId: machine.historyId, durableSeq: sequencer.durableSeq })
  }

  /** What was refused, or applied before, is answered then too: it tells of what others have written. */
  #settleDurable(outcome: Uint8Array): void {
    const { machine, sequencer } = this.#parts
    sequencer.untilDurable(machine.appliedSeq).then(
      () => {
        this.guard?.()
        this.#answer(outcome)
      },
      (error: unknown) => {
        this.guard?.()
        this.#reject(storageFailed(error))
      },
    )
  }
}

/** It is applied, and may be gone after a loss of power. */
function storageFailed(cause: unknown): QuorateError {
  return new QuorateError('storage_failed', 'it was applied, and could not be made durable', {
    applied: 'unknown',
    cause,
  })
}

function abortedBefore(signal: AbortSignal): QuorateError {
  return new QuorateError('aborted', 'the caller aborted before anything was sent', { cause: signal.reason })
}
