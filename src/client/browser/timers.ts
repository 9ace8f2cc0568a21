import type { Timer, Timers } from '../../platform/index.ts'

/** Timers as a page has them. */
export function browserTimers(): Timers {
  const turnEnd = new TurnEnd()
  return {
    after(delayMs, task): Timer {
      const handle = setTimeout(task, Math.max(0, delayMs))
      return { cancel: () => clearTimeout(handle) }
    },
    endOfTurn: task => turnEnd.add(task),
  }
}

/** What is used of a MessagePort; `unref` is there outside of browsers, where a port keeps the process alive. */
interface Port {
  addEventListener(type: 'message', hear: () => void): void
  start(): void
  postMessage(message: number): void
  unref?(): void
}

/** One message to itself for all that a turn defers: a timeout of 0 would take milliseconds. */
class TurnEnd {
  readonly #sender: Port
  #tasks: (() => void)[] = []

  constructor() {
    const { port1, port2 } = new MessageChannel() as unknown as { port1: Port; port2: Port }
    port1.addEventListener('message', () => this.#run())
    port1.start()
    port1.unref?.()
    this.#sender = port2
  }

  add(task: () => void): void {
    this.#tasks.push(task)
    if (this.#tasks.length === 1) this.#sender.postMessage(0)
  }

  #run(): void {
    const tasks = this.#tasks
    this.#tasks = []
    for (const task of tasks) task()
  }
}
