import { QuorateError } from '../model/index.ts'
import type { Timer, Timers } from '../platform/index.ts'

const WAITING_BYTES_MAX = 8 << 20

/** Bytes for a reader elsewhere who takes them at his own pace: whoever writes waits for him. */
export class PacedStream {
  readonly readable: ReadableStream<Uint8Array>
  readonly #controller: AbortController = new AbortController()
  readonly #timers: Timers
  readonly #stallMs: number
  #sink: ReadableStreamDefaultController<Uint8Array> | undefined
  #wake: (() => void) | undefined

  /** A reader who takes nothing for `stallMs` has gone. */
  constructor(timers: Timers, stallMs: number) {
    this.#timers = timers
    this.#stallMs = stallMs
    this.readable = new ReadableStream<Uint8Array>(
      {
        start: sink => void (this.#sink = sink),
        pull: () => this.#wake?.(),
        cancel: () => this.#end(new QuorateError('aborted', 'whoever was to receive it has gone')),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: WAITING_BYTES_MAX }),
    )
  }

  /** Aborted once nobody reads any more. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Resolves when more is welcome. @throws the reason of `signal` */
  async write(bytes: Uint8Array): Promise<void> {
    this.signal.throwIfAborted()
    this.#sink?.enqueue(bytes)
    if ((this.#sink?.desiredSize ?? 0) > 0) return
    const timer = this.#timers.after(this.#stallMs, () => {
      const error = new QuorateError('timeout', `nobody has taken anything for ${this.#stallMs} ms`)
      this.#sink?.error(error)
      this.#end(error)
    })
    await this.#untilTaken(timer)
    this.signal.throwIfAborted()
  }

  async #untilTaken(timer: Timer): Promise<void> {
    await new Promise<void>(resolve => (this.#wake = resolve))
    this.#wake = undefined
    timer.cancel()
  }

  /** Nothing follows. */
  close(): void {
    if (!this.signal.aborted) this.#sink?.close()
  }

  #end(reason: unknown): void {
    this.#controller.abort(reason)
    this.#wake?.()
  }
}
