import { EntryKind, encodeRequest } from '../encoding/index.ts'
import type { EntryBatch } from '../encoding/index.ts'
import { formatToken, QuorateError, ROOT_CALLER, seqOfToken } from '../model/index.ts'
import type {
  Consistency,
  CoreOptions,
  CoreOutcome,
  CoreRead,
  CoreView,
  CoreWatchEvent,
  DatabaseCore,
  DatabaseStatus,
  ReadRequest,
  RequestReference,
  StateView,
  Token,
} from '../model/index.ts'
import type { Clock, Random, Timers } from '../platform/index.ts'
import type { LocalSequencer } from './local-sequencer.ts'
import { watchState } from './watch-iterable.ts'
import type { EngineStateMachine } from './state-machine.ts'

export interface LocalCoreOptions {
  machine: EngineStateMachine
  sequencer: LocalSequencer
  clock: Clock
  timers: Timers
  random: Random
  /** Reads log entries for views of past seqs. */
  entries: (fromSeq: number, throughSeq: number) => Promise<EntryBatch>
  /** The session of this process, opened in the log at start. */
  session: number
  close: () => Promise<void>
}

/** How many serials that nobody heard of stay known for `outcome`. */
const ABANDONED_MAX = 1_024

/** The embedded engine as a `DatabaseCore`: every acknowledged write is applied and published, so every read is linearizable. */
export class LocalCore implements DatabaseCore {
  readonly #options: LocalCoreOptions
  #serial = 0
  #answered = 0
  /** Serials whose callers gave up waiting, ascending; their outcomes are kept. */
  #abandoned: number[] = []
  readonly time: DatabaseCore['time']

  constructor(options: LocalCoreOptions) {
    this.#options = options
    const { clock, timers, random } = options
    this.time = {
      monotonicMs: () => clock.monotonicMs(),
      random: () => random.float(),
      delay: (ms, signal) => delay(timers, ms, signal),
    }
  }

  get #historyId(): string {
    return this.#options.machine.historyId
  }

  submit(envelope: Uint8Array, options: CoreOptions): Promise<CoreOutcome> {
    const { machine, sequencer, session } = this.#options
    if (options.signal?.aborted === true) return Promise.reject(abortedBefore(options.signal))
    const serial = ++this.#serial
    const timeoutMs = options.timeoutMs
    const request = encodeRequest(
      {
        caller: options.caller ?? ROOT_CALLER,
        session,
        serial,
        acknowledgedThrough: Math.min(this.#answered, (this.#abandoned[0] ?? Infinity) - 1),
        notAfterMicros: timeoutMs === undefined ? 0 : this.#options.clock.wallMicros() + Math.ceil(timeoutMs * 1000),
        copy: 0,
      },
      envelope,
    )
    const refusal = machine.checkRequest(request)
    if (refusal !== undefined) {
      this.#serial--
      return Promise.reject(new QuorateError(refusal.code, refusal.message))
    }
    return new Promise((resolve, reject) => {
      const guard = this.#guard(serial, options, reject)
      sequencer.propose(EntryKind.transaction, request, (outcome, error) => {
        this.#answered = serial
        guard?.()
        if (outcome === undefined) reject(error!)
        else resolve({ outcome, historyId: this.#historyId })
      })
    })
  }

  /** Watches the caller's own timeout and abort; returns what ends the watching. */
  #guard(serial: number, options: CoreOptions, reject: (error: QuorateError) => void): (() => void) | undefined {
    const { signal, timeoutMs } = options
    if (signal === undefined && timeoutMs === undefined) return undefined
    const giveUp = (code: 'aborted' | 'timeout', cause?: unknown): void => {
      stop()
      this.#abandoned.push(serial)
      if (this.#abandoned.length > ABANDONED_MAX) this.#abandoned.shift()
      const reference = { session: this.#options.session, serial }
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

  async read(request: ReadRequest, options: CoreOptions & { view?: CoreView }): Promise<CoreRead> {
    const caller = options.caller ?? ROOT_CALLER
    if (options.view !== undefined) {
      const { state } = options.view as LocalCoreView
      return { result: await state.read(request, caller), seq: state.seq, historyId: this.#historyId }
    }
    const view = await this.#stateFor(options.consistency)
    try {
      return { result: await view.read(request, caller), seq: view.seq, historyId: this.#historyId }
    } finally {
      view.release()
    }
  }

  async openView(options: CoreOptions): Promise<LocalCoreView> {
    return new LocalCoreView(await this.#stateFor(options.consistency), this.#historyId)
  }

  #stateFor(consistency: Consistency | undefined): StateView | Promise<StateView> {
    const { machine, sequencer, entries } = this.#options
    if (sequencer.failure !== undefined) throw sequencer.failure
    if (consistency === 'checkpoint') return machine.viewAt(machine.newestCheckpointSeq, entries)
    if (typeof consistency === 'object' && 'atSeq' in consistency) {
      return machine.viewAt(seqOfToken(consistency.atSeq, this.#historyId), entries)
    }
    if (typeof consistency === 'object' && 'minSeq' in consistency) {
      const seq = seqOfToken(consistency.minSeq, this.#historyId)
      if (seq > machine.appliedSeq) {
        const token = formatToken(this.#historyId, machine.appliedSeq)
        throw new QuorateError('seq_unavailable', `seq ${seq} is not known here yet: newest is ${token}`, {
          detail: { oldestSeq: machine.oldestViewSeq, newestSeq: machine.appliedSeq },
        })
      }
    }
    return machine.view()
  }

  watch(
    selector: { project: string; scope: string; prefix: Uint8Array },
    options: CoreOptions & { from?: Token },
  ): AsyncIterable<CoreWatchEvent> {
    const { machine } = this.#options
    const fromSeq = options.from === undefined ? undefined : seqOfToken(options.from, this.#historyId)
    const watched = { ...selector, caller: options.caller ?? ROOT_CALLER }
    return watchState({
      open: sink => machine.watch(watched, fromSeq, sink),
      historyId: () => this.#historyId,
      wrapView: view => new LocalCoreView(view, this.#historyId),
      signal: options.signal,
    })
  }

  outcome(reference: RequestReference, options: CoreOptions): Promise<CoreOutcome | undefined> {
    return this.read({ type: 'outcome', ...reference }, options).then(({ result, historyId }) => {
      if (result.type !== 'outcome' || result.outcome === undefined) return undefined
      return { outcome: result.outcome, historyId }
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
    return this.#options.close()
  }
}

/** A pinned state of the engine. */
export class LocalCoreView implements CoreView {
  readonly state: StateView
  readonly historyId: string

  constructor(state: StateView, historyId: string) {
    this.state = state
    this.historyId = historyId
  }

  get seq(): number {
    return this.state.seq
  }

  close(): Promise<void> {
    this.state.release()
    return Promise.resolve()
  }
}

function abortedBefore(signal: AbortSignal): QuorateError {
  return new QuorateError('aborted', 'the caller aborted before anything was sent', { cause: signal.reason })
}

/** Resolves after `ms`, or at once when `signal` is aborted: whoever waits looks at the signal. */
function delay(timers: Timers, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise(resolve => {
    const finish = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', finish)
      resolve()
    }
    const timer = timers.after(ms, finish)
    if (signal?.aborted === true) finish()
    else signal?.addEventListener('abort', finish, { once: true })
  })
}
