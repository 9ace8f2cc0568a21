import { seconds } from '../lib/config.ts'
import { increment, readHot, readOwn, writeUnique } from '../lib/operations.ts'
import type { RunData } from '../lib/operations.ts'
import { arrivals, options as optionsOf } from '../lib/run.ts'
import { visit } from '../lib/sessions.ts'

export { setup, teardown } from '../lib/run.ts'
export { handleSummary } from '../lib/summary.ts'

const length = seconds(4 * 3_600)

/** A moderate mix for hours: watch memory, file sizes and latencies of the nodes beside it. */
export const options = optionsOf({
  writes: arrivals('write', 100, length),
  reads: arrivals('read', 200, length),
  increments: arrivals('count', 50, length),
  visits: arrivals('come', 5, length),
})

export const write = (data: RunData): void => writeUnique(data)
export const read = (data: RunData): void => readHot(data)
export const come = (data: RunData): void => visit(data)
export function count(data: RunData): void {
  increment(data, 50)
  readOwn(data)
}
