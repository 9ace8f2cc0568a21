import type { ByteStream, Clock, Random, Timer, Timers } from '../../platform/index.ts'

/** What happens to bytes on their way from one party to another. Absent fields do nothing. */
export interface LinkFaults {
  /** Every piece arrives this much later, ms. */
  readonly delayMs?: number
  /** And up to this much more, evenly spread, ms. The order stays: it is one stream. */
  readonly jitterMs?: number
  /** Share of pieces (0 to 1) that are lost and sent again, as TCP does: they and all behind them come `resendMs` later. */
  readonly loss?: number
  /** Default 200. */
  readonly resendMs?: number
  /** Nothing arrives until this is lifted; what was sent meanwhile then does, as after a partition of a network. */
  readonly isWithheld?: boolean
}

export interface FlowPorts {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
}

const RESEND_MS = 200
/** Bytes that wait here or at the target; beyond, the source feels backpressure. */
export const QUEUED_BYTES_MAX: number = 1 << 20

interface Piece {
  /** Undefined = the source sends no more. */
  readonly bytes: Uint8Array | undefined
  readonly dueMs: number
}

/** One direction of a connection: takes bytes from `source` and gives them to `target` when the faults allow it. */
export class Flow {
  readonly #source: ByteStream
  readonly #target: ByteStream
  readonly #ports: FlowPorts
  readonly #faults: () => LinkFaults | undefined
  readonly #onTorn: () => void
  #queue: Piece[] = []
  #queuedBytes = 0
  #lastDueMs = 0
  #timer: Timer | undefined
  #isPaused = false
  #isTearing = false
  #isOver = false
  /** Bytes given to the target. */
  passedBytes = 0

  constructor(options: {
    source: ByteStream
    target: ByteStream
    ports: FlowPorts
    /** What holds now; asked for every piece. */
    faults: () => LinkFaults | undefined
    /** The flow was torn: half of a piece has been passed on. */
    onTorn: () => void
  }) {
    this.#source = options.source
    this.#target = options.target
    this.#ports = options.ports
    this.#faults = options.faults
    this.#onTorn = options.onTorn
    options.target.onDrain = () => this.changed()
  }

  take(bytes: Uint8Array): void {
    this.#push(bytes)
  }

  end(): void {
    this.#push(undefined)
  }

  /** The next bytes arrive by half, and no more. */
  tear(): void {
    this.#isTearing = true
  }

  /** Faults were changed, or the target has room: passes on what may pass now. */
  changed(): void {
    if (this.#isOver) return
    this.#timer?.cancel()
    this.#timer = undefined
    const nowMs = this.#ports.clock.monotonicMs()
    while (this.#queue.length > 0 && this.#faults()?.isWithheld !== true) {
      const { bytes, dueMs } = this.#queue[0]!
      if (dueMs > nowMs) {
        this.#timer = this.#ports.timers.after(dueMs - nowMs, () => this.changed())
        break
      }
      this.#queue.shift()
      if (!this.#pass(bytes)) return
    }
    this.#regulate()
  }

  stop(): void {
    this.#isOver = true
    this.#timer?.cancel()
    this.#queue = []
  }

  #push(bytes: Uint8Array | undefined): void {
    if (this.#isOver) return
    const { delayMs = 0, jitterMs = 0, loss = 0, resendMs = RESEND_MS } = this.#faults() ?? {}
    const { random, clock } = this.#ports
    const late = delayMs + (jitterMs > 0 ? jitterMs * random.float() : 0)
    const again = loss > 0 && random.float() < loss ? resendMs : 0
    this.#lastDueMs = Math.max(this.#lastDueMs, clock.monotonicMs() + late + again)
    this.#queue.push({ bytes, dueMs: this.#lastDueMs })
    this.#queuedBytes += bytes?.length ?? 0
    this.changed()
  }

  /** False when the flow is over. */
  #pass(bytes: Uint8Array | undefined): boolean {
    if (bytes === undefined) {
      this.#target.end()
      return true
    }
    this.#queuedBytes -= bytes.length
    if (!this.#isTearing) {
      this.passedBytes += bytes.length
      this.#target.write(bytes)
      return true
    }
    this.#target.write(bytes.subarray(0, bytes.length >> 1))
    this.stop()
    this.#onTorn()
    return false
  }

  #regulate(): void {
    const waiting = this.#queuedBytes + this.#target.bufferedBytes
    if (!this.#isPaused && waiting > QUEUED_BYTES_MAX) {
      this.#isPaused = true
      this.#source.pause()
    } else if (this.#isPaused && waiting <= QUEUED_BYTES_MAX / 2) {
      this.#isPaused = false
      this.#source.resume()
    }
  }
}
