import { TurnEnd } from '../index.ts'
import type { Timer, Timers } from '../index.ts'
import type { SimulatedClock } from './clock.ts'
import type { EventOwner } from './event-queue.ts'
import type { SimulatedWorld } from './world.ts'

/**
 * The timers of one simulated process, measured by its own clock. They die with the process, and fire late if it was paused.
 * What a turn deferred to its end happens at the same virtual time, after the continuations of the turn.
 */
export class SimulatedTimers implements Timers {
  readonly #world: SimulatedWorld
  readonly #clock: SimulatedClock
  readonly #owner: EventOwner
  readonly #turnEnd: TurnEnd

  constructor(world: SimulatedWorld, clock: SimulatedClock, owner: EventOwner) {
    this.#world = world
    this.#clock = clock
    this.#owner = owner
    this.#turnEnd = new TurnEnd(run => world.schedule(0, run, owner))
  }

  after(delayMs: number, task: () => void): Timer {
    return this.#world.schedule(this.#clock.toVirtualMs(Math.max(0, delayMs)), task, this.#owner)
  }

  endOfTurn(task: () => void, options?: { isLast?: boolean }): void {
    this.#turnEnd.add(task, options?.isLast === true)
  }
}
