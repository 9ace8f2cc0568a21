import { Worker } from 'node:worker_threads'
import type { Thread, Threads } from '../index.ts'
import { RING, STOP, monotonicOriginMs } from './thread-doorbell.ts'
import type { WorkerStart } from './thread-doorbell.ts'

/**
 * Threads as Node workers. `jobs` binds each job's name to the worker's own module, which calls `runThread` with the job's code.
 * The worker sleeps in `Atomics.wait` between doorbells, so its own event loop runs only until the job has started.
 */
export function nodeThreads(jobs: Readonly<Record<string, URL>>): Threads {
  return {
    start: (job, init) => {
      const module = jobs[job]
      if (module === undefined) throw new Error(`no thread job is called ${job}`)
      return new WorkerThread(job, module, init)
    },
  }
}

class WorkerThread implements Thread {
  readonly #worker: Worker
  readonly #doorbell = new Int32Array(new SharedArrayBuffer(8))
  readonly #ended: Promise<void>
  #onMessage: ((message: unknown) => void) | undefined
  #onExit: ((error: Error | undefined) => void) | undefined
  /** What came before a handler was set. */
  #early: unknown[] = []
  #exit: { error: Error | undefined } | undefined

  constructor(name: string, module: URL, init: unknown) {
    const workerData: WorkerStart = { init, doorbell: this.#doorbell, originMs: monotonicOriginMs() }
    this.#worker = new Worker(module, { workerData, name })
    let error: Error | undefined
    this.#worker.on('message', message => this.#deliver(message))
    this.#worker.on('error', (reason: unknown) => {
      error = reason instanceof Error ? reason : new Error(`thread ${name} threw ${String(reason)}`)
    })
    this.#ended = new Promise(resolve => {
      this.#worker.on('exit', code => {
        if (error === undefined && code !== 0) error = new Error(`thread ${name} ended with code ${code}`)
        this.#exit = { error }
        resolve()
        this.#onExit?.(error)
      })
    })
  }

  ringDoorbell(): void {
    Atomics.add(this.#doorbell, RING, 1)
    Atomics.notify(this.#doorbell, RING)
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
    Atomics.store(this.#doorbell, STOP, 1)
    this.ringDoorbell()
    return this.#ended
  }

  #deliver(message: unknown): void {
    if (this.#onMessage === undefined) this.#early.push(message)
    else this.#onMessage(message)
  }
}
