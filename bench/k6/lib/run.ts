import type { Options, Scenario } from 'k6/options'
import { adminEndpoints, rateFactor, thresholds } from './config.ts'
import { listAll, numberOf } from './http.ts'
import { CORRECTNESS, duplicated, lost, touchCorrectness } from './metrics.ts'
import { prepareHot, prepareProject } from './operations.ts'
import type { RunData } from './operations.ts'
import http from 'k6/http'
import { sleep } from 'k6'

const READY_SECONDS = 30

/** Arrivals come at their own times, however slow answers are: only then a latency means anything. */
export function arrivals(exec: string, perSecond: number, lengthSeconds: number, startTime = '0s'): Scenario {
  const rate = Math.max(1, Math.round(perSecond * rateFactor))
  return {
    executor: 'constant-arrival-rate',
    exec,
    rate,
    timeUnit: '1s',
    duration: `${lengthSeconds}s`,
    startTime,
    preAllocatedVUs: Math.min(200, Math.max(4, Math.ceil(rate / 4))),
    maxVUs: Math.min(1_000, Math.max(20, rate * 2)),
    gracefulStop: '30s',
  }
}

/** The options of a scenario: its load, the correctness bars, and those of the thresholds file. */
export function options(scenarios: Record<string, Scenario>): Options {
  return {
    scenarios,
    thresholds: { ...thresholds(), ...CORRECTNESS },
    summaryTrendStats: ['avg', 'min', 'med', 'p(90)', 'p(95)', 'p(99)', 'max', 'count'],
    setupTimeout: '60s',
    teardownTimeout: '120s',
    noConnectionReuse: false,
  }
}

/** Waits until every node is ready and prepares what the virtual users read. */
export function setup(): RunData {
  for (const endpoint of adminEndpoints) {
    let isReady = false
    for (let i = 0; i < READY_SECONDS * 4 && !isReady; i++) {
      isReady =
        http.get(`http://${endpoint}/readyz`, { timeout: '2s', tags: { op: 'readyz', name: 'readyz' } }).status === 200
      if (!isReady) sleep(0.25)
    }
    if (!isReady) throw new Error(`${endpoint} is not ready after ${READY_SECONDS} seconds`)
  }
  const run = `${Date.now().toString(36)}${Math.floor(Math.random() * 1e9).toString(36)}`
  prepareProject(run)
  prepareHot(run)
  return { run }
}

/** What must hold when all is over: every increment counted once in its user's counter and once in a shared one. */
export function teardown({ run }: RunData): void {
  touchCorrectness()
  const sum = (kind: string): number =>
    listAll(`${run}/${kind}/`).reduce((total, { value }) => total + numberOf(value), 0)
  const [own, shared] = [sum('own'), sum('shared')]
  if (shared < own) lost.add(own - shared)
  if (shared > own) duplicated.add(shared - own)
}
