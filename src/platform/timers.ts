/** A timer that was armed; `cancel` is idempotent and a cancelled timer never fires. */
export interface Timer {
  cancel(): void
}

/** Deferred work on this thread. */
export interface Timers {
  /** Runs `task` once, not before `delayMs` from now. Does not keep an otherwise idle process alive when `background` is set. */
  after(delayMs: number, task: () => void, options?: { background?: boolean }): Timer
  /**
   * Runs `task` when the input that is ready now has been handled: the end of this turn of the loop. Tasks run in the order given; those
   * that are `isLast` after all others, in the same turn even if it was one of these that gave them.
   */
  endOfTurn(task: () => void, options?: { isLast?: boolean }): void
}
