import type { QueryPlan } from './query-plan.ts'
import type { ReadRequest } from './reads.ts'
import { projectOf } from './running-requests.ts'
import type { StateView } from './state-view.ts'

/** Where the time of a request went, ms. */
export interface RequestPhases {
  /** Until a leader was given it, or until there was a state that the read may see. */
  readonly queueMs: number
  /** From there until a majority had it, synced, and its turn came. Of commits only. */
  readonly commitMs?: number
  /** Of the batch of entries that it was applied with. Of commits only. */
  readonly applyMs?: number
  /** Reading. Of reads only. */
  readonly runMs?: number
  /** Until the answer was on its way. */
  readonly replyMs: number
}

/** A request that took long. It holds no value of a key, a row or a condition. */
export interface SlowRequest {
  /** Leader time of the answer, us. */
  readonly timeMicros: number
  /** `commit`, or what the read asked for: `get`, `scan`, `query`, ... */
  readonly kind: string
  readonly caller: string
  readonly project?: string
  readonly totalMs: number
  readonly phases: RequestPhases
  /** Of a commit. */
  readonly mutations?: number
  /** What the request was refused or failed with. */
  readonly code?: string
  /** Of a query. */
  readonly plan?: QueryPlan
}

export const SLOW_THRESHOLD_MS = 1_000
const ENTRIES_MAX = 256

/** The last requests that took longer than a threshold, in a ring: memory and time are bounded whatever is slow. */
export class SlowRequests {
  /** Requests that take at least so long are kept; Infinity = none. May be changed at any time. */
  thresholdMs: number
  /** Told of each. */
  onSlow: ((request: SlowRequest) => void) | undefined
  readonly #entries: SlowRequest[] = []
  readonly #entriesMax: number
  #count = 0

  constructor(thresholdMs: number = SLOW_THRESHOLD_MS, entriesMax: number = ENTRIES_MAX) {
    this.thresholdMs = thresholdMs
    this.#entriesMax = entriesMax
  }

  /** Since the start, those that are forgotten included. */
  get count(): number {
    return this.#count
  }

  add(request: SlowRequest): void {
    this.#entries[this.#count++ % this.#entriesMax] = request
    this.onSlow?.(request)
  }

  /** The newest first. */
  list(): SlowRequest[] {
    const at = this.#count % this.#entriesMax
    return [...this.#entries.slice(at), ...this.#entries.slice(0, at)].toReversed()
  }
}

/**
 * Notes a read that took long, a query with its plan, which is made from `view` once more: it must not be released before this has returned,
 * and planning reads nothing but the catalog. Never rejects.
 */
export async function noteSlowRead(
  slow: SlowRequests,
  {
    request,
    caller,
    phases,
    timeMicros,
  }: {
    request: ReadRequest
    caller: string
    phases: RequestPhases
    timeMicros: number
  },
  view: StateView,
): Promise<void> {
  const project = projectOf(request)
  const totalMs = phases.queueMs + (phases.runMs ?? 0) + phases.replyMs
  const plan = await planOf(request, caller, view)
  const named = { timeMicros, kind: request.type, caller, ...(project !== undefined && { project }) }
  slow.add({ ...named, totalMs, phases, ...(plan !== undefined && { plan }) })
}

async function planOf(request: ReadRequest, caller: string, view: StateView): Promise<QueryPlan | undefined> {
  if (request.type !== 'query') return undefined
  try {
    const answer = await view.read({ type: 'explain', query: request.query }, caller)
    return answer.type === 'explain' ? answer.plan : undefined
  } catch {
    // The view may have gone, or the newest permissions have changed: then there is no plan to show.
    return undefined
  }
}
