/** Layer of index entries (docs/formats/layers.md). */
const INDEX_LAYER = 18

/** What drifts: S alone, or an entry of an index and with it S. */
export type DriftKind = 'sum' | 'index'

/**
 * A planted drift of one node, once: after `arm` the digest of the first record that is overwritten stays in S, or the first entry of an
 * index that is written gets a value, which none has. Nobody is told anything wrong by it, so that every other oracle goes on; the replica
 * must find it, fence itself and be rebuilt. Until a majority has recorded otherwise, others may take its state over.
 */
export class DriftFault {
  #armed: DriftKind | undefined
  #hasDrifted = false
  #mayBeOnFile = false

  arm(kind: DriftKind): void {
    this.#armed = kind
  }

  /** Asked by the keyspace for each record that is overwritten. */
  get digestKeepsOverwritten(): boolean {
    if (this.#armed !== 'sum') return false
    this.#drift()
    return true
  }

  /** Asked by the state machine for each record that is written. */
  readonly alterValue: (key: Uint8Array, value: Uint8Array) => Uint8Array = (key, value) => {
    if (this.#armed !== 'index' || key[0] !== INDEX_LAYER) return value
    this.#drift()
    return Uint8Array.of(...value, 1)
  }

  #drift(): void {
    this.#armed = undefined
    this.#hasDrifted = true
    this.#mayBeOnFile = true
  }

  /** The node takes the state of one that has drifted. */
  inherit(): void {
    this.#drift()
  }

  /** The node begins again from its disk: a drift that a later entry has overwritten comes back with an older checkpoint. */
  restarted(): void {
    this.#hasDrifted ||= this.#mayBeOnFile
  }

  /** Whether the state differs, as far as its digests have shown. */
  get hasDrifted(): boolean {
    return this.#hasDrifted
  }

  get isPossible(): boolean {
    return this.#armed !== undefined || this.#hasDrifted
  }

  /** Whether a digest may differ. One that does not, once it could, shows that the node was rebuilt, or has applied the entry again. */
  excuses(isEqual: boolean): boolean {
    if (isEqual && this.#hasDrifted) this.#hasDrifted = false
    return !isEqual && this.isPossible
  }
}
