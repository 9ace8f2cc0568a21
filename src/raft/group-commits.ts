import { DurationHistogram } from '../model/index.ts'

/** Groups of entries that wait for a majority; older ones are not timed while there are more. */
const PENDING_MAX = 4_096

/**
 * What the leader's group commit does: how many entries go into the log together, why they do, and how long a majority takes to have them
 * synced. There is no timer: what a turn has gathered goes, at once or when the core takes it.
 */
export class GroupCommits {
  /** Entries of a group, as if each were a millisecond. */
  readonly sizes: DurationHistogram = new DurationHistogram()
  /** From the append of a group until a majority has it synced. */
  readonly durableWaits: DurationHistogram = new DurationHistogram()
  /** Groups that went in the turn that gathered them. */
  drained = 0
  /** Groups that had to wait for the core: too much was under way, or a membership change came first. */
  held = 0
  readonly #pending: { readonly lastSeq: number; readonly atMs: number }[] = []
  #isHeld = false

  onHeld(): void {
    this.#isHeld = true
  }

  onAppended(entries: number, lastSeq: number, nowMs: number): void {
    this.sizes.record(entries)
    if (this.#isHeld) this.held++
    else this.drained++
    this.#isHeld = false
    if (this.#pending.length < PENDING_MAX) this.#pending.push({ lastSeq, atMs: nowMs })
  }

  /** Everything through `seq` is committed. */
  onCommitted(seq: number, nowMs: number): void {
    let settled = 0
    while (settled < this.#pending.length && this.#pending[settled]!.lastSeq <= seq) {
      this.durableWaits.record(nowMs - this.#pending[settled]!.atMs)
      settled++
    }
    if (settled > 0) this.#pending.splice(0, settled)
  }

  /** Another leader decides about what is under way. */
  clear(): void {
    this.#pending.length = 0
    this.#isHeld = false
  }
}
