import type { PeerTransport } from '../model/index.ts'
import type { Clock } from '../platform/index.ts'
import type { NodeLogger } from './logger.ts'

/** The same refusal is said again after so long. */
const AGAIN_MS = 60_000
/** Strangers may claim any name. */
const REMEMBERED_MAX = 1_000

/** Says in the log which peers were refused, or have refused this node, and why: each at once, and then once a minute while it lasts. */
export class RefusalLog {
  readonly #clock: Clock
  readonly #logger: Pick<NodeLogger, 'error'>
  /** By reason and peer. */
  readonly #saidAtMs = new Map<string, number>()

  constructor(clock: Clock, logger: Pick<NodeLogger, 'error'>) {
    this.#clock = clock
    this.#logger = logger
  }

  readonly onRefusal: NonNullable<PeerTransport['onRefusal']> = (peer, reason, detail) => {
    const key = `${reason} ${peer}`
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - (this.#saidAtMs.get(key) ?? Number.NEGATIVE_INFINITY) < AGAIN_MS) return
    if (this.#saidAtMs.size >= REMEMBERED_MAX) this.#saidAtMs.clear()
    this.#saidAtMs.set(key, nowMs)
    this.#logger.error({ peer, reason, detail }, `no link with ${peer}: ${detail}`)
  }
}
