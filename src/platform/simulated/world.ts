import type { Timer } from '../index.ts'
import { SimulatedCrash } from './disk-faults.ts'
import { EventQueue } from './event-queue.ts'
import type { EventOwner, WorldEvent } from './event-queue.ts'
import { SeededRandom } from './random.ts'

/** What a world is made with. */
export interface WorldOptions {
  /** Decides everything: two worlds with one seed and one program do the same. */
  seed: number
  /**
   * Resolves when no promise continuation is left to run. `platform/node` has one (`drainMicrotasks`, a macrotask);
   * nothing inside the language can know this.
   */
  drainMicrotasks: () => Promise<void>
}

/**
 * Virtual time and the order of all that happens in it. An event runs, then all promise continuations that it made ready,
 * then the next event: time stands still while code runs.
 */
export class SimulatedWorld {
  readonly random: SeededRandom
  readonly seed: number
  readonly #drain: () => Promise<void>
  readonly #queue = new EventQueue()
  #nowMs = 0
  #sequence = 0
  #eventCount = 0

  constructor(options: WorldOptions) {
    this.seed = options.seed
    this.random = new SeededRandom(options.seed)
    this.#drain = options.drainMicrotasks
  }

  /** Virtual milliseconds since the world began. */
  get nowMs(): number {
    return this.#nowMs
  }

  /** How many events have happened; two runs of one seed agree on it. */
  get eventCount(): number {
    return this.#eventCount
  }

  /** Runs `task` after `delayMs` (>= 0) of virtual time. Events of a dead `owner` do not happen, those of a paused one wait. */
  schedule(delayMs: number, task: () => void, owner?: EventOwner): Timer {
    if (!(delayMs >= 0)) throw new RangeError(`delay of ${delayMs} ms`)
    const event: WorldEvent = { atMs: this.#nowMs + delayMs, sequence: this.#sequence++, task, owner }
    this.#queue.push(event)
    return new EventTimer(event)
  }

  /** Resolves after `delayMs` of virtual time; never, if `owner` dies before. */
  delay(delayMs: number, owner?: EventOwner): Promise<void> {
    return new Promise(resolve => {
      this.schedule(delayMs, resolve, owner)
    })
  }

  /** Runs the next event and its continuations. False if there is none, or none at or before `limitMs`. */
  async step(limitMs: number = Number.POSITIVE_INFINITY): Promise<boolean> {
    for (;;) {
      const event = this.#queue.peek()
      if (event === undefined || event.atMs > limitMs) return false
      this.#queue.pop()
      if (!this.#run(event)) continue
      await this.#drain()
      return true
    }
  }

  /** Runs everything that happens before or at `limitMs` of virtual time, and sets the clock to it. */
  async runUntil(limitMs: number): Promise<void> {
    await this.#drain()
    while (await this.step(limitMs));
    this.#nowMs = Math.max(this.#nowMs, limitMs)
  }

  /** Runs for `durationMs` of virtual time from now. */
  runFor(durationMs: number): Promise<void> {
    return this.runUntil(this.#nowMs + durationMs)
  }

  /** Runs until `condition` holds (true) or `limitMs` of virtual time from now have passed (false). */
  async runWhileNot(condition: () => boolean, limitMs: number): Promise<boolean> {
    const endMs = this.#nowMs + limitMs
    await this.#drain()
    while (!condition()) {
      if (!(await this.step(endMs))) {
        this.#nowMs = Math.max(this.#nowMs, endMs)
        return condition()
      }
    }
    return true
  }

  /** Runs until `promise` settles and gives its result; rejects if it has not settled within `limitMs` of virtual time. */
  async runToCompletion<T>(promise: Promise<T>, limitMs: number = 3_600_000): Promise<T> {
    let isSettled = false
    const settle = (): void => {
      isSettled = true
    }
    promise.then(settle, settle)
    if (!(await this.runWhileNot(() => isSettled, limitMs))) {
      throw new Error(`not settled within ${limitMs} virtual ms (seed ${this.seed})`)
    }
    return promise
  }

  #run(event: WorldEvent): boolean {
    const task = event.task
    if (task === undefined) return false
    this.#nowMs = Math.max(this.#nowMs, event.atMs)
    const owner = event.owner
    if (owner !== undefined && owner.state !== 'running') {
      if (owner.state === 'paused') owner.defer(event)
      return false
    }
    if (owner?.busyUntilMs !== undefined && owner.busyUntilMs > this.#nowMs) {
      event.atMs = owner.busyUntilMs
      event.sequence = this.#sequence++ // those that fell due before it were put back before it
      this.#queue.push(event)
      return false
    }
    event.task = undefined
    this.#eventCount++
    try {
      task()
    } catch (error) {
      // A process died inside a disk call of this event; its code ends where it stood, and the world goes on.
      if (!(error instanceof SimulatedCrash)) throw error
    }
    return true
  }
}

class EventTimer implements Timer {
  readonly #event: WorldEvent

  constructor(event: WorldEvent) {
    this.#event = event
  }

  cancel(): void {
    this.#event.task = undefined
  }
}
