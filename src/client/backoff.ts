import type { Random } from '../platform/index.ts'

const BACKOFF_BASE_MS = 10
const BACKOFF_MAX_MS = 1_000

/** The wait before retry `attempt` (from 0), ms: uniform in [0, 10 * 2^attempt), at most a second (full jitter). */
export function fullJitterMs(attempt: number, random: Random): number {
  return random.float() * Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** Math.min(attempt, 16))
}
