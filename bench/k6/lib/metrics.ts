import { Counter, Trend } from 'k6/metrics'

/** An acknowledged write that is not there. */
export const lost = new Counter('lost')
/** A write that was applied more often than it was made. */
export const duplicated = new Counter('duplicated')
/** A linearizable read, or one with `min_seq`, that showed less than was acknowledged before it began. */
export const stale = new Counter('stale')
/** Requests that were sent again to another node, because one did not answer or asked to. */
export const retried = new Counter('retried')
/** Operations that had no certain answer within their time. */
export const givenUp = new Counter('given_up')
/** From the call to its answer, all retries included, ms; tagged with `op`. */
export const latency = new Trend('operation_latency', true)
export const transfers = new Counter('transfers')

/** Counters that must be 0, whatever the load and the faults are. */
export const CORRECTNESS: Record<string, string[]> = {
  lost: ['count==0'],
  duplicated: ['count==0'],
  stale: ['count==0'],
}

/** k6 leaves out a counter that was never used, and a bar on it would look as if it was not looked at. */
export function touchCorrectness(): void {
  for (const counter of [lost, duplicated, stale, givenUp, retried]) counter.add(0)
}
