/**
 * A planted drift of one node, once: the digest of the first record that is overwritten after `arm` stays in S. Nobody is told anything
 * wrong by it, so that every other oracle goes on; the replica must find it, fence itself and be rebuilt.
 */
export class DriftFault {
  #isArmed = false
  #hasDrifted = false

  arm(): void {
    this.#isArmed = true
  }

  /** Asked by the keyspace for each record that is overwritten. */
  get digestKeepsOverwritten(): boolean {
    if (!this.#isArmed) return false
    this.#isArmed = false
    this.#hasDrifted = true
    return true
  }

  get isPossible(): boolean {
    return this.#isArmed || this.#hasDrifted
  }

  /** Whether a digest may differ. One that does not, once it could, shows that the node was rebuilt, or has applied the entry again. */
  excuses(isEqual: boolean): boolean {
    if (isEqual && this.#hasDrifted) this.#hasDrifted = false
    return !isEqual && this.isPossible
  }
}
