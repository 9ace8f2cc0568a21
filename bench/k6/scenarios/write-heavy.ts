import { seconds } from '../lib/config.ts'
import { increment, readOwn, writeUnique } from '../lib/operations.ts'
import type { RunData } from '../lib/operations.ts'
import { arrivals, options as optionsOf } from '../lib/run.ts'
import { visit } from '../lib/sessions.ts'

export { setup, teardown } from '../lib/run.ts'
export { handleSummary } from '../lib/summary.ts'

const length = seconds(60)

/** Mostly writes: keys that are new, counters, and sessions over WebSockets. */
export const options = optionsOf({
  writes: arrivals('write', 500, length),
  increments: arrivals('count', 200, length),
  visits: arrivals('come', 20, length),
})

export const write = (data: RunData): void => writeUnique(data)
export const come = (data: RunData): void => visit(data)
export function count(data: RunData): void {
  increment(data, 100)
  if (Math.random() < 0.2) readOwn(data)
}
