import type { Timer, Timers } from '../index.ts'

/** Node's timers fire at once when asked for more than this. */
const LONGEST_DELAY_MS = 2 ** 31 - 1

/** Timers on the event loop. */
export function nodeTimers(): Timers {
  const endOfTurn = new TurnEnd()
  return {
    after: (delayMs, task, options) => new LoopTimer(delayMs, task, options?.background === true),
    endOfTurn: task => endOfTurn.add(task),
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

/** One setImmediate for all that a turn defers: it runs after the input that was ready has been read. */
class TurnEnd {
  #tasks: (() => void)[] = []

  add(task: () => void): void {
    this.#tasks.push(task)
    if (this.#tasks.length === 1) setImmediate(() => this.#run())
  }

  #run(): void {
    const tasks = this.#tasks
    this.#tasks = []
    let done = 0
    try {
      while (done < tasks.length) tasks[done++]?.()
    } finally {
      // One task's error goes to the process; the others must run all the same, before what was deferred meanwhile.
      if (done < tasks.length) {
        if (this.#tasks.length === 0) setImmediate(() => this.#run())
        this.#tasks.unshift(...tasks.slice(done))
      }
    }
  }
}
