/** Who waits for a handover of leadership to end. */
export class Transfers {
  readonly #ask: (to: number) => void
  #waiting: ((refusal: string | null) => void)[] = []

  constructor(ask: (to: number) => void) {
    this.#ask = ask
  }

  /** Hands leadership to `to` (0 = the best voter); `onEnd` hears how that ended. */
  begin(to: number, onEnd: (refusal: string | null) => void): void {
    this.#waiting.push(onEnd)
    this.#ask(to)
  }

  ended(refusal: string | null): void {
    for (const end of this.#waiting.splice(0)) end(refusal)
  }
}
