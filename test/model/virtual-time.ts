/** Time that moves by itself to the next delay whenever nothing else is left to do, and otherwise stands still. */
export class VirtualTime {
  nowMs = 1_000
  readonly #delays: { atMs: number; fire: () => void }[] = []
  #isPumping = false

  delay(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const delay = { atMs: this.nowMs + ms, fire: resolve }
      const onAbort = (): void => {
        const at = this.#delays.indexOf(delay)
        if (at >= 0) this.#delays.splice(at, 1)
        reject(new Error('delay aborted'))
      }
      if (signal?.aborted === true) {
        onAbort()
        return
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#delays.push(delay)
      this.#pump()
    })
  }

  /** A few turns of the loop pass before time moves, so that whatever can go on without time does. */
  #pump(idleTurns = 0): void {
    if (idleTurns === 0 && this.#isPumping) return
    this.#isPumping = true
    setImmediate(() => {
      if (idleTurns < 6) return this.#pump(idleTurns + 1)
      this.#isPumping = false
      this.#delays.sort((a, b) => a.atMs - b.atMs)
      const next = this.#delays.shift()
      if (next === undefined) return
      this.nowMs = Math.max(this.nowMs, next.atMs)
      next.fire()
      if (this.#delays.length > 0) this.#pump()
    })
  }
}
