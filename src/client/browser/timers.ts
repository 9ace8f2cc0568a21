import { TurnEnd } from '../../platform/index.ts'
import type { Timer, Timers } from '../../platform/index.ts'

/** Timers as a page has them. */
export function browserTimers(): Timers {
  const turnEnd = new TurnEnd(toItself())
  return {
    after: (delayMs, task) => new PageTimer(Math.max(0, delayMs), task),
    endOfTurn: (task, options) => turnEnd.add(task, options?.isLast === true),
  }
}

/** Pages wait no time at all when asked for more than this. */
const LONGEST_DELAY_MS = 2 ** 31 - 1

class PageTimer implements Timer {
  #handle: ReturnType<typeof setTimeout>

  constructor(delayMs: number, task: () => void) {
    this.#handle = this.#arm(delayMs, task)
  }

  #arm(delayMs: number, task: () => void): ReturnType<typeof setTimeout> {
    const restMs = delayMs - LONGEST_DELAY_MS
    if (restMs <= 0) return setTimeout(task, delayMs)
    return setTimeout(() => (this.#handle = this.#arm(restMs, task)), LONGEST_DELAY_MS)
  }

  cancel(): void {
    clearTimeout(this.#handle)
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
