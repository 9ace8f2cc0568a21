import { TurnEnd } from '../../platform/index.ts'
import type { Timer, Timers } from '../../platform/index.ts'

/** Timers as a page has them. */
export function browserTimers(): Timers {
  const turnEnd = new TurnEnd(toItself())
  return {
    after(delayMs, task): Timer {
      const handle = setTimeout(task, Math.max(0, delayMs))
      return { cancel: () => clearTimeout(handle) }
    },
    endOfTurn: (task, options) => turnEnd.add(task, options?.isLast === true),
  }
}

/** What is used of a MessagePort; `unref` is there outside of browsers, where a port keeps the process alive. */
interface Port {
  addEventListener(type: 'message', hear: () => void): void
  start(): void
  postMessage(message: number): void
  unref?(): void
}

/** A message to itself: a timeout of 0 would take milliseconds. */
function toItself(): (run: () => void) => void {
  const { port1, port2 } = new MessageChannel() as unknown as { port1: Port; port2: Port }
  let waiting: (() => void)[] = []
  port1.addEventListener('message', () => {
    const runs = waiting
    waiting = []
    for (const run of runs) run()
  })
  port1.start()
  port1.unref?.()
  return run => {
    waiting.push(run)
    if (waiting.length === 1) port2.postMessage(0)
  }
}
