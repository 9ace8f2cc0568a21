/**
 * Resolves when no promise continuation and no `process.nextTick` callback is left to run: what a simulated world awaits between
 * its events. A macrotask is the only exact way to know; setImmediate is the cheapest one (about a microsecond).
 */
export function drainMicrotasks(): Promise<void> {
  return new Promise(resolve => {
    setImmediate(resolve)
  })
}
