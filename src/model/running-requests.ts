import { QuorateError } from './errors.ts'
import type { ReadRequest } from './reads.ts'

/** A request that a node is busy with. */
export interface RunningRequest {
  /** Names it on this node, for `cancel`. */
  readonly id: string
  readonly door: 'websocket' | 'node'
  /** `commit`, `watch`, `view`, or what a read asks for: `get`, `scan`, `query`, ... */
  readonly kind: string
  readonly caller: string
  /** Absent where it concerns none, or several. */
  readonly project?: string
  /**
   * `waiting`: for a leader, or for a state that the read may see; `running`; `submitted`: a commit that a leader has or may have taken; `open`: a
   * watch.
   */
  readonly state: 'waiting' | 'running' | 'submitted' | 'open'
  readonly ageMs: number
}

/** Part of a node that answers requests. */
export interface RequestSource {
  running(): RunningRequest[]
  /** Ends a request of its own: whoever waits for it hears `cancelled`. False if it has none of this id. @throws QuorateError `not_cancellable` */
  cancel(id: string): boolean
}

/** All requests that a node is busy with, whichever part of it answers them. */
export class RunningRequests {
  readonly #sources: readonly RequestSource[]

  constructor(sources: readonly RequestSource[]) {
    this.#sources = sources
  }

  /** The oldest first. */
  list(): RunningRequest[] {
    return this.#sources.flatMap(source => source.running()).sort((a, b) => b.ageMs - a.ageMs)
  }

  /** @throws QuorateError `not_found`, `not_cancellable` for a commit that may be in a log already */
  cancel(id: string): void {
    if (this.#sources.some(source => source.cancel(id))) return
    throw new QuorateError('not_found', `no request ${id.slice(0, 80)} is under way on this node`)
  }
}

/** What somebody who waited for a cancelled request is told. */
export function cancelled(): QuorateError {
  return new QuorateError('cancelled', 'an operator has cancelled the request')
}

/** Asked by work that goes on in steps: whether anybody still waits for it. */
export interface StopFlag {
  readonly isCancelled: boolean
}

/** The project that a read concerns, if it is one. */
export function projectOf(request: ReadRequest): string | undefined {
  if (request.type === 'query' || request.type === 'explain') return request.query.project
  return 'project' in request ? request.project : undefined
}

/** A read under way, which can be ended before it has its answer. */
export class RunningRead implements StopFlag {
  readonly request: ReadRequest
  readonly caller: string
  readonly sinceMs: number
  /** When there was a state to read from; undefined = not yet. */
  startedMs: number | undefined
  #reject: ((error: QuorateError) => void) | undefined
  #isCancelled = false

  constructor(request: ReadRequest, caller: string, sinceMs: number) {
    this.request = request
    this.caller = caller
    this.sinceMs = sinceMs
  }

  get isCancelled(): boolean {
    return this.#isCancelled
  }

  /** What `work` comes to, or the error of `end` as soon as that is called. */
  whileWanted<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#reject = reject
      work.then(resolve, reject)
    })
  }

  /** Whoever waits hears of it at once; the work stops at its next step. */
  end(error: QuorateError): void {
    this.#isCancelled = true
    this.#reject?.(error)
  }

  describe(id: string, nowMs: number): RunningRequest {
    return describeRead(id, 'node', this.request, this.caller, this.startedMs !== undefined, nowMs - this.sinceMs)
  }
}

export function describeRead(
  id: string,
  door: RunningRequest['door'],
  request: ReadRequest,
  caller: string,
  isRunning: boolean,
  ageMs: number,
): RunningRequest {
  const project = projectOf(request)
  const state = isRunning ? 'running' : 'waiting'
  return { id, door, kind: request.type, caller, ...(project !== undefined && { project }), state, ageMs }
}
