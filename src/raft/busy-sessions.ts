/** After a refusal as busy, later serials of the session are refused too until it comes back, but not longer than this. */
const HOLD_MS = 1_000

/**
 * Sessions of which a serial was refused as busy: what was issued behind it must not overtake it, so that later ones are refused as well
 * until it is offered again (DESIGN 7, sessions). Bounded in time, for its maker may have given up.
 */
export class BusySessions {
  readonly #nowMs: () => number
  readonly #from = new Map<number, { serial: number; untilMs: number }>()

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  has(session: number): boolean {
    return this.#from.has(session)
  }

  /** hot path (bench/cluster): whether an earlier serial of the session was refused and has not come back. */
  waits(session: number, serial: number): boolean {
    if (this.#from.size === 0) return false
    const from = this.#from.get(session)
    if (from === undefined || serial < from.serial) return false
    if (serial > from.serial && this.#nowMs() < from.untilMs) return true
    this.#from.delete(session)
    return false
  }

  /** The serial is refused; of several the first counts. */
  refuse(session: number, serial: number): void {
    if (this.#from.has(session)) return
    this.#from.set(session, { serial, untilMs: this.#nowMs() + HOLD_MS })
  }

  /** Forgets what is waited for no longer. */
  expire(): void {
    if (this.#from.size === 0) return
    const nowMs = this.#nowMs()
    for (const [session, { untilMs }] of this.#from) if (nowMs >= untilMs) this.#from.delete(session)
  }

  clear(): void {
    this.#from.clear()
  }
}
