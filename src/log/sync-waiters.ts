interface Waiter {
  readonly ioSeq: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Who waits for an ioSeq to be synced. */
export class SyncWaiters {
  #waiters: Waiter[] = []

  get isEmpty(): boolean {
    return this.#waiters.length === 0
  }

  add(ioSeq: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ ioSeq, resolve, reject })
    })
  }

  /** Everything up to `ioSeq` is synced. */
  resolveThrough(ioSeq: number): void {
    if (this.#waiters.length === 0) return
    const done = this.#waiters.filter(waiter => waiter.ioSeq <= ioSeq)
    this.#waiters = this.#waiters.filter(waiter => waiter.ioSeq > ioSeq)
    for (const waiter of done) waiter.resolve()
  }

  /** Nothing more will be synced. */
  rejectAll(error: Error): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error)
  }
}
