import type { Clock } from './clock.ts'
import type { Files } from './files.ts'

/**
 * A second thread that is woken by a doorbell and answers with messages. What it works on lies in memory shared with it.
 * The job's code is written against `Job`, so that the simulator runs the very same code on its own clock.
 */
export interface Thread {
  /** Wakes the job; cheap, callable at any rate, wake-ups may be merged. */
  ringDoorbell(): void
  /** Called on this thread with each message the job posts, in order. */
  onMessage(handler: (message: unknown) => void): void
  /** Called once when the thread has ended; `error` is set unless it ended by its own will or by `stop`. */
  onExit(handler: (error: Error | undefined) => void): void
  /** Ends the thread after its current doorbell has been handled. */
  stop(): Promise<void>
}

/** What a job is given when its thread starts. `init` is the structured clone of what was passed to `start`. */
export interface JobContext {
  readonly init: unknown
  readonly files: Files
  /** Its monotonic time is that of the starting thread's clock. */
  readonly clock: Pick<Clock, 'monotonicMs'>
  /** Sends a structured clone to the starting thread. */
  post(message: unknown): void
}

/** The code of a thread: `start` may be asynchronous (opening files), `onDoorbell` is synchronous and handles all work present. */
export interface Job {
  onDoorbell(): void
  /** Called once before the thread ends. */
  onStop?(): void
}

export type StartJob = (context: JobContext) => Job | Promise<Job>

export interface Threads {
  /** Starts the named job; names are bound to code by whoever composes the node. SharedArrayBuffers inside `init` stay shared. */
  start(job: string, init: unknown): Thread
}
