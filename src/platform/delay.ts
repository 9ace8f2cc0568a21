import type { Clock } from './clock.ts'
import type { Random } from './random.ts'
import type { Timers } from './timers.ts'

/** Resolves after `ms`, or at once when `signal` is aborted: whoever waits looks at the signal. */
export function delayOn(timers: Timers, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise(resolve => {
    const finish = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', finish)
      resolve()
    }
    const timer = timers.after(ms, finish)
    if (signal?.aborted === true) finish()
    else signal?.addEventListener('abort', finish, { once: true })
  })
}

/** Waits until `work` has ended, well or not, but not longer than `ms`; leaves no timer behind. */
export async function waitAtMost(timers: Timers, ms: number, work: Promise<unknown>): Promise<void> {
  const ended = new AbortController()
  const over = delayOn(timers, ms, ended.signal)
  const end = (): void => ended.abort()
  work.then(end, end)
  await over
}

/** The time and chance of whoever waits between tries, over the ports: monotonic ms, delays, numbers in [0, 1). */
export interface Pace {
  monotonicMs(): number
  delay(ms: number, signal?: AbortSignal): Promise<void>
  random(): number
}

export function paceOn({ clock, timers, random }: { clock: Clock; timers: Timers; random: Random }): Pace {
  return {
    monotonicMs: () => clock.monotonicMs(),
    random: () => random.float(),
    delay: (ms, signal) => delayOn(timers, ms, signal),
  }
}
