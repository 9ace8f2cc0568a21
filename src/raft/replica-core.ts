import {
  decodeOutcome,
  encodeRequest,
  notAfterOf,
  plainCommitSeq,
  requestCopy,
  requestSerial,
  requestSession,
} from '../encoding/index.ts'
import {
  cancelled,
  consistencyOfRead,
  noteSlowRead,
  PinnedView,
  QuorateError,
  ROOT_CALLER,
  RunningRead,
  seqOfToken,
  watchState,
} from '../model/index.ts'
import type {
  CoreOptions,
  CoreOutcome,
  CoreRead,
  CoreView,
  CoreWatchEvent,
  CoreWatchSelector,
  DatabaseCore,
  DatabaseStatus,
  DurationHistogram,
  NodeService,
  ReadRequest,
  RequestReference,
  RequestSource,
  SlowRequests,
  Token,
} from '../model/index.ts'
import { paceOn } from '../platform/index.ts'
import type { Clock, Random, Timers } from '../platform/index.ts'

export interface ReplicaCoreOptions {
  service: NodeService
  /** Where reads that take long are noted. */
  slow?: SlowRequests
  /** Counts how long queries take. */
  queries?: DurationHistogram
  clock: Clock
  timers: Timers
  random: Random
}

/** Calls without a time limit of their own end after this long. */
const DEFAULT_TIMEOUT_MS = 30_000
const RETRY_MS_MIN = 10
const RETRY_MS_MAX = 500

/** A node's service as a `DatabaseCore`: the in-process deployment of `Database` on a cluster, and what HTTP-like doors are built on. */
export class ReplicaCore implements DatabaseCore {
  readonly #options: ReplicaCoreOptions
  readonly time: DatabaseCore['time']
  #isClosed = false
  readonly #reads: Map<number, RunningRead> = new Map()
  #lastRead = 0

  constructor(options: ReplicaCoreOptions) {
    this.#options = options
    this.time = paceOn(options)
  }

  leaderTimeMicros(): number {
    return this.#options.service.leaderTimeMicros
  }

  async submit(envelope: Uint8Array, options: CoreOptions): Promise<CoreOutcome> {
    const { service } = this.#options
    const deadlineMs = this.#deadline(options)
    let request: Uint8Array | undefined
    for (let attempt = 0; ; attempt++) {
      this.#requireOpen(options)
      try {
        request ??= this.#newRequest(envelope, options, deadlineMs)
        return await this.#submitOnce(request, options)
      } catch (error) {
        // Refused before it became an entry, in a way that passes: the same bytes under a new serial are a new request.
        const isWorthATry = error instanceof QuorateError && error.retryable && error.applied === 'no'
        if (!isWorthATry || this.time.monotonicMs() >= deadlineMs) throw error
        if (service.isDraining) throw error
        // What was refused as busy comes back under its own serial: the leader keeps later ones of the session waiting for it.
        if (error.code !== 'busy') request = undefined
      }
      await this.#backOff(attempt, options)
    }
  }

  #newRequest(envelope: Uint8Array, options: CoreOptions, deadlineMs: number): Uint8Array {
    const { service } = this.#options
    const numbers = service.nextNodeRequest()
    if (numbers === undefined) throw new QuorateError('unavailable', 'no leader is known here', { retryable: true })
    const leftMs = Math.max(0, deadlineMs - this.time.monotonicMs())
    const notAfterMicros = notAfterOf(service.leaderTimeMicros, leftMs)
    return encodeRequest({ caller: options.caller ?? ROOT_CALLER, ...numbers, notAfterMicros, copy: 0 }, envelope)
  }

  #submitOnce(request: Uint8Array, options: CoreOptions): Promise<CoreOutcome> {
    const { service } = this.#options
    const session = requestSession(request)
    const serial = requestSerial(request)
    return new Promise((resolve, reject) => {
      const stop = this.#watchAbort(options, { session, serial }, reject)
      service.submit(request, (outcome, error) => {
        stop()
        if (outcome === undefined) return reject(error!)
        const ended = sessionEnd(outcome)
        if (ended === undefined) return resolve({ outcome, historyId: service.historyId })
        service.nodeSessionEnded(session)
        // Sent once and refused: certainly not applied. A copy may have been applied before the session ended.
        const isCertain = requestCopy(request) === 0
        reject(
          isCertain
            ? new QuorateError('session_ended', ended, { retryable: true })
            : new QuorateError('session_ended', ended, { applied: 'unknown' }),
        )
      })
    })
  }

  #watchAbort({ signal }: CoreOptions, reference: RequestReference, reject: (error: QuorateError) => void): () => void {
    if (signal === undefined) return () => undefined
    const onAbort = (): void =>
      reject(
        new QuorateError('aborted', 'the caller stopped waiting', {
          applied: 'unknown',
          reference,
          cause: signal.reason,
        }),
      )
    signal.addEventListener('abort', onAbort, { once: true })
    return () => signal.removeEventListener('abort', onAbort)
  }

  async read(request: ReadRequest, options: CoreOptions & { view?: CoreView }): Promise<CoreRead> {
    const caller = options.caller ?? ROOT_CALLER
    if (options.view !== undefined) {
      const { state, historyId } = options.view as PinnedView
      return { result: await state.read(request, caller), seq: state.seq, historyId }
    }
    const running = new RunningRead(request, caller, this.time.monotonicMs())
    const number = ++this.#lastRead
    this.#reads.set(number, running)
    const onAbort = (): void => running.end(new QuorateError('aborted', 'the caller stopped waiting'))
    options.signal?.addEventListener('abort', onAbort, { once: true })
    try {
      return await running.whileWanted(this.#readNow(running, options))
    } finally {
      options.signal?.removeEventListener('abort', onAbort)
      this.#reads.delete(number)
    }
  }

  async #readNow(running: RunningRead, options: CoreOptions): Promise<CoreRead> {
    const { request, caller } = running
    const { historyId } = this.#options.service
    const consistency = consistencyOfRead(request, options.consistency ?? 'linearizable', historyId)
    const view = await this.openView({ ...options, consistency })
    try {
      if (running.isCancelled) throw cancelled()
      running.startedMs = this.time.monotonicMs()
      const result = await view.state.read(request, caller, running)
      this.#noteIfSlow(running, view)
      return { result, seq: view.seq, historyId: view.historyId }
    } finally {
      await view.close()
    }
  }

  #noteIfSlow({ request, caller, sinceMs, startedMs }: RunningRead, { state }: PinnedView): void {
    const { slow, service, queries } = this.#options
    const endMs = this.time.monotonicMs()
    if (request.type === 'query') queries?.record(endMs - sinceMs)
    if (slow === undefined || endMs - sinceMs < slow.thresholdMs) return
    const phases = { queueMs: startedMs! - sinceMs, runMs: endMs - startedMs!, replyMs: 0 }
    void noteSlowRead(slow, { request, caller, phases, timeMicros: service.leaderTimeMicros }, state)
  }

  /** The reads that this core is busy with, those on views left out. */
  get reads(): RequestSource {
    return {
      running: () => [...this.#reads].map(([number, read]) => read.describe(`read-${number}`, this.time.monotonicMs())),
      cancel: id => {
        const read = /^read-\d{1,16}$/.test(id) ? this.#reads.get(Number(id.slice(5))) : undefined
        read?.end(cancelled())
        return read !== undefined
      },
    }
  }

  async openView(options: CoreOptions): Promise<PinnedView> {
    const deadlineMs = this.#deadline(options)
    for (let attempt = 0; ; attempt++) {
      this.#requireOpen(options)
      try {
        return await this.#viewOnce(options, deadlineMs)
      } catch (error) {
        const isPassing = error instanceof QuorateError && error.retryable && error.code === 'unavailable'
        if (!isPassing || this.time.monotonicMs() >= deadlineMs) throw error
      }
      await this.#backOff(attempt, options)
    }
  }

  #viewOnce({ consistency = 'linearizable' }: CoreOptions, deadlineMs: number): Promise<PinnedView> {
    const { service } = this.#options
    return new Promise((resolve, reject) =>
      service.whenReadable(consistency, deadlineMs, (view, error) => {
        if (view === undefined) reject(error!)
        else resolve(new PinnedView(view, service.historyId))
      }),
    )
  }

  async *watch(
    selector: CoreWatchSelector,
    options: CoreOptions & { from?: Token },
  ): AsyncGenerator<CoreWatchEvent, void> {
    const { service } = this.#options
    const { from, signal, caller = ROOT_CALLER } = options
    const fromSeq = from === undefined ? undefined : seqOfToken(from, service.historyId)
    // Names and permissions are those of `from` at the least.
    if (from !== undefined) await (await this.openView({ ...options, consistency: { minSeq: from } })).close()
    yield* watchState({
      open: sink => service.watch({ ...selector, caller }, fromSeq, sink),
      historyId: () => service.historyId,
      wrapView: view => new PinnedView(view, service.historyId),
      signal,
    })
  }

  async outcome(reference: RequestReference, options: CoreOptions): Promise<CoreOutcome | undefined> {
    const { result, historyId } = await this.read({ type: 'outcome', ...reference }, options)
    if (result.type !== 'outcome' || result.outcome === undefined) return undefined
    return { outcome: result.outcome, historyId }
  }

  status(): Promise<DatabaseStatus> {
    return Promise.resolve(this.#options.service.status())
  }

  /** Ends this use of the node, not the node. */
  close(): Promise<void> {
    this.#isClosed = true
    return Promise.resolve()
  }

  #deadline({ timeoutMs = DEFAULT_TIMEOUT_MS }: CoreOptions): number {
    return this.time.monotonicMs() + timeoutMs
  }

  #requireOpen({ signal }: CoreOptions): void {
    if (this.#isClosed) throw new QuorateError('closed', 'the database is closed')
    if (signal?.aborted === true) throw new QuorateError('aborted', 'the caller aborted', { cause: signal.reason })
  }

  #backOff(attempt: number, { signal }: CoreOptions): Promise<void> {
    const bound = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** attempt)
    return this.time.delay(this.time.random() * bound + 1, signal)
  }
}

/** The message of an outcome that says that its session does not exist. */
function sessionEnd(bytes: Uint8Array): string | undefined {
  if (plainCommitSeq(bytes) !== undefined) return undefined
  const outcome = decodeOutcome(bytes)
  return outcome.status === 'refused' && outcome.code === 'session_ended' ? outcome.message : undefined
}
