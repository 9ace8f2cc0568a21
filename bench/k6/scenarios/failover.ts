import { seconds } from '../lib/config.ts'
import { increment, readOwn, writeUnique } from '../lib/operations.ts'
import type { RunData } from '../lib/operations.ts'
import { operate as operateOnce } from '../lib/operator.ts'
import { arrivals, options as optionsOf } from '../lib/run.ts'
import { visit } from '../lib/sessions.ts'

export { setup, teardown } from '../lib/run.ts'
export { handleSummary } from '../lib/summary.ts'

const length = seconds(60)

/** Writers while one operator hands leadership over every few seconds; nodes may be killed from outside besides. */
export const options = optionsOf({
  writes: arrivals('write', 50, length),
  increments: arrivals('count', 50, length),
  visits: arrivals('come', 5, length),
  operator: { executor: 'constant-vus', exec: 'operate', vus: 1, duration: `${length}s`, gracefulStop: '20s' },
})

export const write = (data: RunData): void => writeUnique(data)
export const come = (data: RunData): void => visit(data)
export const operate = (): void => operateOnce()
export function count(data: RunData): void {
  increment(data, 20)
  readOwn(data)
}
