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
