/** A refused serial is waited for so long: its maker may have given up. */
const HOLD_MS = 1_000

interface Refused {
  readonly serial: number
  readonly untilMs: number
}

/**
 * Serials that were refused as busy, by session: what was issued behind one must not overtake it, so that later ones are refused as well
 * until it is offered again (DESIGN 7, sessions). Those are waited for in their turn, too: some of them may be under way when the first
 * comes again, or is waited for no longer.
 */
export class BusySessions {
  readonly #nowMs: () => number
  /** In the order of serials. */
  readonly #refused = new Map<number, Refused[]>()

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  has(session: number): boolean {
    return this.#refused.has(session)
  }

  /**
   * hot path (bench/cluster): the serial is offered. Whether an earlier one was refused and has not come back: then this one is refused, too.
   */
  refusesOffered(session: number, serial: number): boolean {
    if (this.#refused.size === 0) return false
    const refused = this.#refused.get(session)
    if (refused === undefined) return false
    const nowMs = this.#nowMs()
    while (refused.length > 0 && nowMs >= refused[0]!.untilMs) refused.shift()
    const at = placeOf(refused, serial)
    if (refused[at]?.serial === serial) refused.splice(at, 1)
    if (refused.length === 0) this.#refused.delete(session)
    if (at === 0) return false
    refused.splice(at, 0, { serial, untilMs: nowMs + HOLD_MS })
    return true
  }

  refuse(session: number, serial: number): void {
    const refused = this.#refused.get(session) ?? []
    this.#refused.set(session, refused)
    const at = placeOf(refused, serial)
    const isKnown = refused[at]?.serial === serial
    refused.splice(at, isKnown ? 1 : 0, { serial, untilMs: this.#nowMs() + HOLD_MS })
  }

  /** Forgets sessions of which nothing is waited for any longer. */
  expire(): void {
    if (this.#refused.size === 0) return
    const nowMs = this.#nowMs()
    for (const [session, refused] of this.#refused) {
      if (refused.every(({ untilMs }) => nowMs >= untilMs)) this.#refused.delete(session)
    }
  }

  clear(): void {
    this.#refused.clear()
  }
}

/** Index of the first that is `serial` or later; most are behind all others. */
function placeOf(refused: readonly Refused[], serial: number): number {
  let low = 0
  let high = refused.length
  if (high > 0 && refused[high - 1]!.serial < serial) return high
  while (low < high) {
    const middle = (low + high) >> 1
    if (refused[middle]!.serial < serial) low = middle + 1
    else high = middle
  }
  return low
}
