import { seconds } from '../lib/config.ts'
import { increment, readHot, readOwn } from '../lib/operations.ts'
import type { RunData } from '../lib/operations.ts'
import { arrivals, options as optionsOf } from '../lib/run.ts'

export { setup, teardown } from '../lib/run.ts'
export { handleSummary } from '../lib/summary.ts'

const length = seconds(60)

/** Nineteen linearizable reads to a write. */
export const options = optionsOf({
  reads: arrivals('read', 950, length),
  writes: arrivals('count', 50, length),
})

export const read = (data: RunData): void => readHot(data)
export function count(data: RunData): void {
  increment(data, 100)
  readOwn(data)
}
