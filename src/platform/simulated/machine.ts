import type { Ciphers, Platform, StartJob } from '../index.ts'
import { simulatedCiphers } from './ciphers.ts'
import { SimulatedClock } from './clock.ts'
import type { ClockOptions } from './clock.ts'
import type { DiskOperation } from './disk-faults.ts'
import { SimulatedDisk } from './disk.ts'
import type { DiskOptions } from './disk.ts'
import type { DiskTiming } from './disk-user.ts'
import type { EventOwner, WorldEvent } from './event-queue.ts'
import type { SimulatedFiles } from './files.ts'
import type { SeededRandom } from './random.ts'
import { DEFAULT_THREAD_PROFILE, SimulatedThreads } from './threads.ts'
import type { ThreadHost, ThreadProfile } from './threads.ts'
import { SimulatedTimers } from './timers.ts'
import type { SimulatedWorld } from './world.ts'

/** Mean virtual milliseconds (exponential) of asynchronous disk calls. */
export interface DiskLatency {
  readMs: number
  writeMs: number
  syncMs: number
  /** Creating, renaming, removing, and syncing directories. */
  nameMs: number
}

export const DEFAULT_DISK_LATENCY: DiskLatency = { readMs: 0.1, writeMs: 0.05, syncMs: 0.8, nameMs: 0.3 }

export interface MachineOptions {
  /** Its host name: what network addresses and partitions speak of. Unique in a world. */
  name: string
  disk?: Omit<DiskOptions, 'seed'>
  diskLatency?: DiskLatency
  clock?: ClockOptions
  /** The code of thread jobs by name. */
  jobs?: Readonly<Record<string, StartJob>>
  threads?: ThreadProfile
}

/** A machine: a disk and a name that outlive the processes started on it, one at a time. */
export class SimulatedMachine {
  readonly name: string
  readonly world: SimulatedWorld
  readonly disk: SimulatedDisk
  /** Called when the process has died, for whoever starts the next one. */
  onDeath: ((kind: 'power' | 'process') => void) | undefined
  readonly #options: MachineOptions
  readonly #random: SeededRandom
  #process: SimulatedProcess | undefined
  #startCount = 0
  #stalledUntilMs = 0
  #readsStalledUntilMs = 0
  #threadsStalledUntilMs = 0

  constructor(world: SimulatedWorld, options: MachineOptions) {
    this.name = options.name
    this.world = world
    this.#options = options
    this.#random = world.random.split(`machine ${options.name}`)
    this.disk = new SimulatedDisk({ ...options.disk, seed: this.#random.split('disk') })
  }

  /** The process that runs or is paused here, if one does. */
  get process(): SimulatedProcess | undefined {
    return this.#process
  }

  get diskStalledUntilMs(): number {
    return this.#stalledUntilMs
  }

  /** Starts a process; its clocks differ from true time as `clock` says (by default as the machine's options do). */
  start(clock?: ClockOptions): SimulatedProcess {
    if (this.#process !== undefined) throw new Error(`a process runs on ${this.name}`)
    const random = this.#random.split(`process ${this.#startCount++}`)
    const monotonicOriginMs = random.below(1_000_000_000)
    const process = new SimulatedProcess(this, {
      random,
      clock: { monotonicOriginMs, ...this.#options.clock, ...clock },
      jobs: this.#options.jobs ?? {},
      threads: this.#options.threads ?? DEFAULT_THREAD_PROFILE,
      diskLatency: this.#options.diskLatency ?? DEFAULT_DISK_LATENCY,
      onDeath: kind => {
        this.#process = undefined
        this.onDeath?.(kind)
      },
    })
    this.#process = process
    return process
  }

  /** Ends the process: by a loss of power, or alone. See `SimulatedDisk.crash`. */
  crash(kind: 'power' | 'process'): void {
    this.disk.crash(kind)
  }

  /**
   * From now, for this many virtual milliseconds, asynchronous disk calls do not finish and thread jobs have no turn.
   * Blocking calls on a process's main thread are not delayed: there is no time within an event.
   */
  stallDisk(durationMs: number): void {
    this.#stalledUntilMs = Math.max(this.#stalledUntilMs, this.world.nowMs + durationMs)
  }

  /** From now, for this many virtual milliseconds, reads hang: asynchronous ones do not finish, others hold up their process. */
  stallReads(durationMs: number): void {
    this.#readsStalledUntilMs = Math.max(this.#readsStalledUntilMs, this.world.nowMs + durationMs)
  }

  /** From now, for this many virtual milliseconds, threads have no turn; disk calls of the main thread do. */
  stallThreads(durationMs: number): void {
    this.#threadsStalledUntilMs = Math.max(this.#threadsStalledUntilMs, this.world.nowMs + durationMs)
  }

  get threadsStalledUntilMs(): number {
    return Math.max(this.#threadsStalledUntilMs, this.#stalledUntilMs)
  }

  get readsStalledUntilMs(): number {
    return this.#readsStalledUntilMs
  }
}

interface ProcessOptions {
  random: SeededRandom
  clock: ClockOptions
  jobs: Readonly<Record<string, StartJob>>
  threads: ThreadProfile
  diskLatency: DiskLatency
  onDeath: (kind: 'power' | 'process') => void
}

/**
 * A process: all ports, and the states running, paused and dead. After death nothing of it happens any more: events do not come,
 * asynchronous disk calls never settle. Only a blocking disk call has to throw (`SimulatedCrash`). The world swallows that at the
 * bottom of an event; inside an async function it becomes a rejection, which the code under test must hand on as any other.
 */
export class SimulatedProcess implements Platform, EventOwner, ThreadHost {
  readonly name: string
  readonly world: SimulatedWorld
  readonly clock: SimulatedClock
  readonly random: SeededRandom
  readonly timers: SimulatedTimers
  readonly files: SimulatedFiles
  readonly threads: SimulatedThreads
  readonly ciphers: Ciphers = simulatedCiphers()
  readonly #machine: SimulatedMachine
  readonly #deathWatchers = new Set<(kind: 'power' | 'process') => void>()
  #state: 'running' | 'paused' | 'dead' = 'running'
  #deferred: WorldEvent[] = []

  constructor(machine: SimulatedMachine, options: ProcessOptions) {
    this.name = machine.name
    this.world = machine.world
    this.#machine = machine
    this.random = options.random
    this.clock = new SimulatedClock(machine.world, options.clock)
    this.timers = new SimulatedTimers(machine.world, this.clock, this)
    this.files = machine.disk.files({
      timing: this.#diskTiming(options.diskLatency, options.random.split('disk latency')),
      afterCrash: 'never',
      onCrash: kind => this.#die(kind, options.onDeath),
    })
    this.threads = new SimulatedThreads(this, options.jobs, options.threads, options.random.split('threads'))
  }

  get state(): 'running' | 'paused' | 'dead' {
    return this.#state
  }

  get diskStalledUntilMs(): number {
    return this.#machine.diskStalledUntilMs
  }

  get threadsStalledUntilMs(): number {
    return this.#machine.threadsStalledUntilMs
  }

  get busyUntilMs(): number {
    return this.clock.busyUntilMs
  }

  /** What runs now takes this much processor time: its clocks show that at once, and its next event waits until it is over. */
  spend(durationMs: number): void {
    this.clock.busyUntilMs = Math.max(this.clock.busyUntilMs, this.world.nowMs) + durationMs
  }

  /** Stops the process as SIGSTOP does: its clocks go on, what falls due waits. */
  pause(): void {
    if (this.#state === 'running') this.#state = 'paused'
  }

  /** Continues a paused process: all that fell due happens now, in its order. */
  resume(): void {
    if (this.#state !== 'paused') return
    this.#state = 'running'
    const deferred = this.#deferred
    this.#deferred = []
    for (const event of deferred) {
      this.world.schedule(
        0,
        () => {
          const task = event.task // gone if it was cancelled meanwhile
          event.task = undefined
          task?.()
        },
        this,
      )
    }
  }

  defer(event: WorldEvent): void {
    this.#deferred.push(event)
  }

  /** Calls `watcher` when this process dies. */
  onDeath(watcher: (kind: 'power' | 'process') => void): void {
    this.#deathWatchers.add(watcher)
  }

  get #readableAtMs(): number {
    return Math.max(this.diskStalledUntilMs, this.#machine.readsStalledUntilMs)
  }

  #die(kind: 'power' | 'process', then: (kind: 'power' | 'process') => void): void {
    this.#state = 'dead'
    this.#deferred = []
    for (const watcher of this.#deathWatchers) watcher(kind)
    this.#deathWatchers.clear()
    then(kind)
  }

  #diskTiming(latency: DiskLatency, random: SeededRandom): DiskTiming {
    return {
      wait: async operation => {
        await this.world.delay(random.exponential(meanOf(latency, operation)), this)
        for (;;) {
          const untilMs = operation === 'read' ? this.#readableAtMs : this.diskStalledUntilMs
          if (this.world.nowMs >= untilMs) return
          await this.world.delay(untilMs - this.world.nowMs, this)
        }
      },
      block: () => {
        if (this.world.nowMs < this.#machine.readsStalledUntilMs) {
          this.clock.busyUntilMs = Math.max(this.clock.busyUntilMs, this.#machine.readsStalledUntilMs)
        }
      },
    }
  }
}

function meanOf(latency: DiskLatency, operation: DiskOperation): number {
  switch (operation) {
    case 'read':
      return latency.readMs
    case 'write':
    case 'truncate':
      return latency.writeMs
    case 'sync':
      return latency.syncMs
    case 'create':
    case 'rename':
    case 'remove':
    case 'makeDirectory':
    case 'syncDirectory':
      return latency.nameMs
    default:
      return unknownOperation(operation)
  }
}

function unknownOperation(operation: never): never {
  throw new Error(`no such disk operation: ${String(operation)}`)
}
