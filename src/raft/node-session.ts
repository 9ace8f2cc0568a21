import { ROOT_CALLER } from '../model/index.ts'
import type { Random, Timer, Timers } from '../platform/index.ts'

export interface NodeSessionOptions {
  /** Opens a session in the log; rejects if that takes too long. */
  open: (caller: string, nonce: Uint8Array) => Promise<number>
  random: Random
  timers: Timers
}

const RETRY_MS = 200
/** Answered serials are forgotten in steps, so that their outcomes stay known for a while. */
const KEPT_OUTCOMES = 4_096

/**
 * The session of this process, for doors whose requests bring none (HTTP, Redis): opened when a leader is first known, opened again when
 * it has ended (DESIGN 7).
 */
export class NodeSession {
  readonly #options: NodeSessionOptions
  #session = 0
  #serial = 0
  #isOpening = false
  #retry: Timer | undefined
  #isClosed = false

  constructor(options: NodeSessionOptions) {
    this.#options = options
  }

  /** Opens it if there is none; harmless to call often. */
  ensure(): void {
    if (this.#session !== 0 || this.#isOpening || this.#isClosed) return
    this.#isOpening = true
    this.#options.open(ROOT_CALLER, this.#options.random.bytes(16)).then(
      session => {
        this.#isOpening = false
        this.#session = session
        this.#serial = 0
      },
      () => {
        this.#isOpening = false
        this.#retry = this.#options.timers.after(RETRY_MS, () => this.ensure(), { background: true })
      },
    )
  }

  /** The numbers of the next request; undefined while there is no session. */
  next(): { session: number; serial: number; acknowledgedThrough: number } | undefined {
    if (this.#session === 0) {
      this.ensure()
      return undefined
    }
    const serial = ++this.#serial
    return { session: this.#session, serial, acknowledgedThrough: Math.max(0, serial - KEPT_OUTCOMES) }
  }

  /** An outcome said that the session has ended. */
  ended(session: number): void {
    if (session !== this.#session) return
    this.#session = 0
    this.ensure()
  }

  close(): void {
    this.#isClosed = true
    this.#retry?.cancel()
  }
}
