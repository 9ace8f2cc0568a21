import { seconds } from '../lib/config.ts'
import { increment, readHot, readOwn, writeUnique } from '../lib/operations.ts'
import type { RunData } from '../lib/operations.ts'
import { arrivals, options as optionsOf } from '../lib/run.ts'
import { visit } from '../lib/sessions.ts'

export { setup, teardown } from '../lib/run.ts'
export { handleSummary } from '../lib/summary.ts'

const length = seconds(15)

/** A little of everything: does the cluster do what it should, over HTTP and WebSocket? */
export const options = optionsOf({
  writes: arrivals('write', 20, length),
  reads: arrivals('read', 30, length),
  increments: arrivals('count', 20, length),
  visits: arrivals('come', 4, length),
})

export const write = (data: RunData): void => writeUnique(data)
export const read = (data: RunData): void => readHot(data)
export const come = (data: RunData): void => visit(data)
export function count(data: RunData): void {
  increment(data, 20)
  readOwn(data)
}
