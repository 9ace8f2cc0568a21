import type { Timer, Timers } from '../platform/index.ts'
import { LogError } from './errors.ts'
import type { Log } from './log.ts'

/** How long nothing must have been appended before the end is marked (DESIGN 6). */
export const IDLE_MARK_MS = 50

/** Marks the end of a log whenever it has been idle for `idleMs` (to twice that), so that a suspect window never outlives a burst. */
export class IdleMarker {
  readonly #log: Log
  readonly #timers: Timers
  readonly #idleMs: number
  #timer: Timer | undefined
  #seenIoSeq = -1

  constructor(log: Log, timers: Timers, idleMs: number = IDLE_MARK_MS) {
    this.#log = log
    this.#timers = timers
    this.#idleMs = idleMs
    log.onUnmarked = () => this.noteAppend()
    this.noteAppend()
  }

  /** To be called after appends: cheap, and arms a timer only if none is armed. */
  noteAppend(): void {
    if (this.#timer !== undefined || this.#log.isMarked) return
    this.#timer = this.#timers.after(this.#idleMs, () => this.#onTimer(), { background: true })
  }

  #onTimer(): void {
    this.#timer = undefined
    const log = this.#log
    if (log.state !== 'open') return
    const isIdle = log.ioSeq === this.#seenIoSeq
    this.#seenIoSeq = log.ioSeq
    if (isIdle && !this.#mark()) return
    this.noteAppend()
  }

  /** False if the disk failed: the log has latched and told its owner, who must not hear of it a second time from a timer. */
  #mark(): boolean {
    try {
      if (this.#log.mark() !== undefined) this.#log.flushSync()
      return true
    } catch (error) {
      if (!(error instanceof LogError)) throw error
      return false
    }
  }

  stop(): void {
    this.#log.onUnmarked = undefined
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
