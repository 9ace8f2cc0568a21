/** Who waits for a handover of leadership to end. One is under way at a time; the core judges whether it can begin. */
export class Transfers {
  readonly #ask: (to: number) => void
  #waiting: ((refusal: string | null) => void) | undefined

  constructor(ask: (to: number) => void) {
    this.#ask = ask
  }

  /** Hands leadership to `to` (0 = the best voter); `onEnd` hears how that ended: `transferring` at once while another is under way. */
  begin(to: number, onEnd: (refusal: string | null) => void): void {
    if (this.#waiting !== undefined) return onEnd('transferring')
    this.#waiting = onEnd
    this.#ask(to)
  }

  ended(refusal: string | null): void {
    const end = this.#waiting
    this.#waiting = undefined
    end?.(refusal)
  }
}
