import { performance } from 'node:perf_hooks'

/** The words of the memory by which a thread is woken: how often it was rung, and whether it shall end. */
export const RING = 0
export const STOP = 1

/**
 * The time of the whole machine at which this thread's `performance.now()` was 0, ms: each thread has its own, and what they read can be
 * compared by it.
 */
export function monotonicOriginMs(): number {
  let originMs = Number.NEGATIVE_INFINITY
  // A thread that is put aside between the two readings is told too early an origin.
  for (let i = 0; i < 3; i++) {
    const [seconds, ns] = process.hrtime()
    originMs = Math.max(originMs, seconds * 1000 + ns / 1e6 - performance.now())
  }
  return originMs
}

/** What a worker is started with. */
export interface WorkerStart {
  init: unknown
  doorbell: Int32Array
  /** `monotonicOriginMs` of the starting thread. */
  originMs: number
}
