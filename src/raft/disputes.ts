/** Where a voter's state differs from the leader's and no majority is known to have either: nobody can tell which of them is wrong. */
export interface Dispute {
  readonly seq: number
  /** The leader's digest, and the voter's. */
  readonly own: string
  readonly other: string
  /** The voter. */
  readonly peer: number
}

/** What a leader has heard of and cannot decide (DESIGN 7, Digests): of each peer the newest seq. */
export class Disputes {
  readonly #open = new Map<number, Dispute>()
  /**
   * Peers that a majority has decided against. They differ at each later seq too, until they are rebuilt, and may be heard of before the
   * majority is: that opens nothing anew.
   */
  readonly #outvoted = new Set<number>()
  #untold: Dispute | undefined

  /** Of the open ones with these voters the one at the newest seq. */
  newest(voters: readonly number[]): Dispute | undefined {
    let newest: Dispute | undefined
    for (const dispute of this.#open.values()) {
      if (voters.includes(dispute.peer) && dispute.seq > (newest?.seq ?? 0)) newest = dispute
    }
    return newest
  }

  /** One that was opened and not given out yet: what goes on at newer seqs is given out once. */
  opened(): Dispute | undefined {
    const opened = this.#untold
    this.#untold = undefined
    return opened
  }

  differs(dispute: Dispute): void {
    const { peer, seq } = dispute
    if (this.#outvoted.has(peer)) return
    const known = this.#open.get(peer)
    if (known !== undefined && known.seq >= seq) return
    this.#open.set(peer, dispute)
    if (known === undefined) this.#untold = dispute
  }

  /** The peer has the same as this replica at `seq`. */
  agrees(peer: number, seq: number): void {
    const known = this.#open.get(peer)
    if (known !== undefined && seq < known.seq) return
    this.#open.delete(peer)
    this.#outvoted.delete(peer)
  }

  /** A majority has what this replica has, and not what the peer has. */
  outvote(peer: number): void {
    this.#open.delete(peer)
    this.#outvoted.add(peer)
  }

  /** A majority has what this replica has at `seq`. */
  decided(seq: number): void {
    for (const dispute of this.#open.values()) if (dispute.seq <= seq) this.outvote(dispute.peer)
  }

  clear(): void {
    this.#open.clear()
    this.#outvoted.clear()
    this.#untold = undefined
  }
}
