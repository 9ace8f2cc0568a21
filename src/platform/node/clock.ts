import { performance } from 'node:perf_hooks' // the global of that name is a getter, which costs as much as the clock
import type { Clock } from '../index.ts'

/** The machine's clocks. Wall time has microseconds: the monotonic clock's, tied anew to Date.now() whenever they part. */
export function nodeClock(): Clock {
  let wallMinusMonotonicMs = Date.now() - performance.now()
  return {
    monotonicMs: () => performance.now(),
    wallMicros: () => {
      const monotonicMs = performance.now()
      const wallMs = Date.now() // whole milliseconds, and the only one of the two that follows a set clock
      const behindMs = wallMs - (monotonicMs + wallMinusMonotonicMs)
      if (behindMs > 0 || behindMs <= -1) wallMinusMonotonicMs += behindMs > 0 ? behindMs : behindMs + 1
      return Math.floor((monotonicMs + wallMinusMonotonicMs) * 1000)
    },
  }
}
