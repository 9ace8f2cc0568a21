import { TurnEnd } from '../index.ts'
import type { Timer, Timers } from '../index.ts'

/** Node's timers fire at once when asked for more than this. */
const LONGEST_DELAY_MS = 2 ** 31 - 1

/** Timers on the event loop. */
export function nodeTimers(): Timers {
  // After the input that was ready has been read.
  const turnEnd = new TurnEnd(setImmediate)
  return {
    after: (delayMs, task, options) => new LoopTimer(delayMs, task, options?.background === true),
    endOfTurn: (task, options) => turnEnd.add(task, options?.isLast === true),
  }
}

class LoopTimer implements Timer {
  readonly #isBackground: boolean
  #handle: NodeJS.Timeout

  constructor(delayMs: number, task: () => void, isBackground: boolean) {
    this.#isBackground = isBackground
    this.#handle = this.#arm(Math.max(0, delayMs), task)
  }

  cancel(): void {
    clearTimeout(this.#handle)
  }

  #arm(delayMs: number, task: () => void): NodeJS.Timeout {
    const restMs = delayMs - LONGEST_DELAY_MS
    const handle =
      restMs > 0
        ? setTimeout(() => {
            this.#handle = this.#arm(restMs, task)
          }, LONGEST_DELAY_MS)
        : setTimeout(task, delayMs)
    if (this.#isBackground) handle.unref()
    return handle
  }
}
