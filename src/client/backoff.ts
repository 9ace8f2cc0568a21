import type { QuorateError } from '../model/index.ts'
import type { Random } from '../platform/index.ts'

const BACKOFF_BASE_MS = 10
const BACKOFF_MAX_MS = 1_000

/** The wait before retry `attempt` (from 0), ms: uniform in [0, 10 * 2^attempt), at most a second (full jitter). */
export function fullJitterMs(attempt: number, random: Random): number {
  return random.float() * Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** Math.min(attempt, 16))
}

const TOKENS_MAX = 20
/** What a success earns: retries settle at a tenth of the requests that succeed. */
const TOKENS_PER_SUCCESS = 0.1

/**
 * Bounds what retries add to an overload: each takes a token, each success earns a part of one. Without tokens nothing fails, but
 * retries wait about the longest backoff.
 */
export class RetryBudget {
  readonly #random: Random
  #tokens = TOKENS_MAX

  constructor(random: Random) {
    this.#random = random
  }

  succeeded(): void {
    if (this.#tokens < TOKENS_MAX) this.#tokens += TOKENS_PER_SUCCESS
  }

  /** The wait before retry `attempt` (from 0) after `error`, ms. An overload takes a token; a missing leader is none. */
  delayMs(attempt: number, error: QuorateError): number {
    const leastMs = error.backoffMs ?? 0
    if (error.code === 'busy') {
      if (this.#tokens < 1) return Math.max(leastMs, (0.5 + this.#random.float() / 2) * BACKOFF_MAX_MS)
      this.#tokens--
    }
    return Math.max(leastMs, fullJitterMs(attempt, this.#random))
  }
}
