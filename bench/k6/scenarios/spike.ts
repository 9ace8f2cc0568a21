import { rateFactor, seconds } from '../lib/config.ts'
import { increment, readHot } from '../lib/operations.ts'
import type { RunData } from '../lib/operations.ts'
import { arrivals, options as optionsOf } from '../lib/run.ts'

export { setup, teardown } from '../lib/run.ts'
export { handleSummary } from '../lib/summary.ts'

const length = seconds(60)
const CALM = 50
const PEAK = 1_000
const at = (share: number): string => `${Math.max(1, Math.round(share * length))}s`

/** Twenty times the load within a tenth of the time, and calm again: does it recover, and are refusals clean? */
export const options = optionsOf({
  reads: arrivals('read', CALM, length),
  writes: {
    executor: 'ramping-arrival-rate',
    exec: 'count',
    startRate: Math.ceil(CALM * rateFactor),
    timeUnit: '1s',
    preAllocatedVUs: 200,
    maxVUs: 1_000,
    stages: [
      { duration: at(0.3), target: Math.ceil(CALM * rateFactor) },
      { duration: at(0.1), target: Math.ceil(PEAK * rateFactor) },
      { duration: at(0.2), target: Math.ceil(PEAK * rateFactor) },
      { duration: at(0.1), target: Math.ceil(CALM * rateFactor) },
      { duration: at(0.3), target: Math.ceil(CALM * rateFactor) },
    ],
  },
})

export const read = (data: RunData): void => readHot(data)
export const count = (data: RunData): void => increment(data, 100)
