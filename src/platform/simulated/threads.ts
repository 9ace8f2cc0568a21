import type { Clock, Job, JobContext, StartJob, Thread, Threads } from '../index.ts'
import { SimulatedCrash } from './disk-faults.ts'
import type { EventOwner } from './event-queue.ts'
import type { SimulatedFiles } from './files.ts'
import type { SeededRandom } from './random.ts'
import type { SimulatedWorld } from './world.ts'

/** How fast threads are. Means are of exponential distributions, in virtual milliseconds. */
export interface ThreadProfile {
  /** From a ring to the job's turn. */
  wakeMeanMs: number
  /** From a post to its arrival. */
  postMeanMs: number
  /** What the blocking disk calls of one turn take together. */
  workMeanMs: number
}

export const DEFAULT_THREAD_PROFILE: ThreadProfile = { wakeMeanMs: 0.02, postMeanMs: 0.02, workMeanMs: 0.8 }

/** What threads need of the process that they belong to. */
export interface ThreadHost extends EventOwner {
  readonly world: SimulatedWorld
  readonly files: SimulatedFiles
  readonly clock: Clock
  /** The virtual time until which the disk answers nothing. */
  readonly threadsStalledUntilMs: number
}

/** Runs the very code of thread jobs on virtual time. They end with their process. */
export class SimulatedThreads implements Threads {
  readonly #jobs: Readonly<Record<string, StartJob>>
  readonly #host: ThreadHost
  readonly #profile: ThreadProfile
  readonly #random: SeededRandom
  #count = 0

  constructor(
    host: ThreadHost,
    jobs: Readonly<Record<string, StartJob>>,
    profile: ThreadProfile,
    random: SeededRandom,
  ) {
    this.#host = host
    this.#jobs = jobs
    this.#profile = profile
    this.#random = random
  }

  start(job: string, init: unknown): Thread {
    const startJob = this.#jobs[job]
    if (startJob === undefined) throw new Error(`no thread job is called ${job}`)
    const random = this.#random.split(`${job} ${this.#count++}`)
    return new SimulatedThread(this.#host, startJob, structuredClone(init), this.#profile, random)
  }
}

/**
 * One thread. A turn of its job happens at one instant, somewhere within the time that its disk calls take: its writes have
 * their effect then, its messages arrive, and its next turn begins, when that time is over.
 */
class SimulatedThread implements Thread {
  readonly #host: ThreadHost
  readonly #profile: ThreadProfile
  readonly #random: SeededRandom
  #job: Job | undefined
  #isRung = false
  #isWakeScheduled = false
  #isEnded = false
  #busyUntilMs = 0
  #lastArrivalMs = 0
  #onMessage: ((message: unknown) => void) | undefined
  #onExit: ((error: Error | undefined) => void) | undefined
  #early: unknown[] = []
  #exit: { error: Error | undefined } | undefined
  #stopping: { promise: Promise<void>; resolve: () => void } | undefined
  /** Its own work goes on while the starting thread computes. */
  readonly #self: EventOwner

  constructor(host: ThreadHost, startJob: StartJob, init: unknown, profile: ThreadProfile, random: SeededRandom) {
    this.#host = host
    this.#self = {
      get state() {
        return host.state
      },
      defer: event => host.defer(event),
    }
    this.#profile = profile
    this.#random = random
    this.#after(this.#random.exponential(profile.wakeMeanMs), () => {
      const context: JobContext = {
        init,
        files: host.files,
        clock: host.clock,
        post: message => this.#post(message),
      }
      void this.#begin(startJob, context)
    })
  }

  ringDoorbell(): void {
    this.#isRung = true
    this.#scheduleWake()
  }

  onMessage(handler: (message: unknown) => void): void {
    this.#onMessage = handler
    const early = this.#early
    this.#early = []
    for (const message of early) handler(message)
  }

  onExit(handler: (error: Error | undefined) => void): void {
    this.#onExit = handler
    if (this.#exit !== undefined) handler(this.#exit.error)
  }

  stop(): Promise<void> {
    if (this.#stopping === undefined) {
      let resolve: () => void = () => {}
      const promise = new Promise<void>(done => {
        resolve = done
      })
      this.#stopping = { promise, resolve }
      if (this.#exit !== undefined) resolve()
      else this.#scheduleWake()
    }
    return this.#stopping.promise
  }

  async #begin(startJob: StartJob, context: JobContext): Promise<void> {
    try {
      this.#job = await startJob(context)
    } catch (error) {
      this.#end(error)
      return
    }
    this.#scheduleWake()
  }

  #scheduleWake(): void {
    if (this.#isWakeScheduled || this.#isEnded || this.#job === undefined) return
    if (!this.#isRung && this.#stopping === undefined) return
    this.#isWakeScheduled = true
    const nowMs = this.#host.world.nowMs
    const workMs = this.#isRung ? this.#random.exponential(this.#profile.workMeanMs) : 0
    const beforeMs = workMs * this.#random.float()
    const startMs = Math.max(nowMs + this.#random.exponential(this.#profile.wakeMeanMs), this.#busyUntilMs)
    this.#after(startMs - nowMs + beforeMs, () => this.#turn(workMs - beforeMs))
  }

  #turn(restMs: number): void {
    const nowMs = this.#host.world.nowMs
    if (nowMs < this.#host.threadsStalledUntilMs) {
      this.#after(this.#host.threadsStalledUntilMs - nowMs, () => this.#turn(restMs))
      return
    }
    this.#isWakeScheduled = false
    this.#busyUntilMs = nowMs + restMs
    try {
      if (this.#isRung) {
        this.#isRung = false
        this.#job?.onDoorbell()
      }
      if (this.#stopping === undefined) return
      this.#job?.onStop?.()
    } catch (error) {
      this.#end(error)
      return
    }
    this.#end(undefined)
  }

  #post(message: unknown): void {
    if (this.#isEnded) return
    const isPlain = typeof message !== 'object' || message === null
    const copy: unknown = isPlain ? message : structuredClone(message)
    this.#arrive(() => {
      if (this.#onMessage === undefined) this.#early.push(copy)
      else this.#onMessage(copy)
    })
  }

  #end(reason: unknown): void {
    if (reason instanceof SimulatedCrash || this.#isEnded) return // a thread that dies with its process says nothing
    this.#isEnded = true
    const error = reason === undefined || reason instanceof Error ? reason : new Error('thrown', { cause: reason })
    this.#arrive(() => {
      this.#exit = { error }
      this.#stopping?.resolve()
      this.#onExit?.(error)
    })
  }

  /** Has something reach the starting thread, after all that was sent before it. */
  #arrive(task: () => void): void {
    const nowMs = this.#host.world.nowMs
    const atMs = Math.max(nowMs, this.#busyUntilMs) + this.#random.exponential(this.#profile.postMeanMs)
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, atMs)
    this.#host.world.schedule(this.#lastArrivalMs - nowMs, task, this.#host)
  }

  #after(delayMs: number, task: () => void): void {
    this.#host.world.schedule(delayMs, task, this.#self)
  }
}
