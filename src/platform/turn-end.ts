/** What a turn of the loop defers to its end: one callback of the loop for all of it. */
export class TurnEnd {
  readonly #defer: (run: () => void) => void
  #tasks: (() => void)[] = []
  #last: (() => void)[] = []
  readonly #onEnd: () => void = () => this.#run()
  #isDeferred = false
  #isRunning = false

  /** `defer` has `run` called when the input that was ready has been read. */
  constructor(defer: (run: () => void) => void) {
    this.#defer = defer
  }

  /** As `Timers.endOfTurn`. */
  add(task: () => void, isLast: boolean): void {
    if (isLast) this.#last.push(task)
    else this.#tasks.push(task)
    if (!isLast || !this.#isRunning) this.#deferRun()
  }

  #deferRun(): void {
    if (this.#isDeferred) return
    this.#isDeferred = true
    this.#defer(this.#onEnd)
  }

  #run(): void {
    this.#isDeferred = false
    const tasks = this.#tasks
    this.#tasks = []
    this.#isRunning = true
    let done = 0
    try {
      while (done < tasks.length) tasks[done++]!()
      // What they have to say leaves with them; what the last ones add belongs to the next turn.
      for (const task of this.#last) tasks.push(task)
      this.#last = []
      this.#isRunning = false
      while (done < tasks.length) tasks[done++]!()
    } finally {
      this.#isRunning = false
      // One task's error goes to the process; the others must run all the same, before what was deferred meanwhile.
      if (done < tasks.length) this.#tasks.unshift(...tasks.slice(done))
      if (this.#tasks.length + this.#last.length > 0) this.#deferRun()
    }
  }
}
