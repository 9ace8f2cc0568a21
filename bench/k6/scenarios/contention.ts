import { seconds } from '../lib/config.ts'
import { increment, readOwn } from '../lib/operations.ts'
import type { RunData } from '../lib/operations.ts'
import { arrivals, options as optionsOf } from '../lib/run.ts'

export { setup, teardown } from '../lib/run.ts'
export { handleSummary } from '../lib/summary.ts'

/** Everybody writes to the same two keys. */
export const options = optionsOf({ increments: arrivals('count', 300, seconds(60)) })

export function count(data: RunData): void {
  increment(data, 2)
  if (Math.random() < 0.1) readOwn(data)
}
