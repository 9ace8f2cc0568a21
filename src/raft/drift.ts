import { digestToHex } from '../encoding/index.ts'
import type { StateDigest, StateMachine } from '../model/index.ts'
import type { Digest } from './core/index.ts'
import { Disputes } from './disputes.ts'
import type { Dispute } from './disputes.ts'

/** Where a replica's state was found to differ from its peers' (promise 5): the digests at one seq. */
export interface Drift {
  seq: number
  own: string
  others: string
}

/**
 * Compares the digests that replicas record at the same seqs (DESIGN 7). Followers send theirs to the leader, and the leader sends what a
 * majority has recorded alike to all: only it hears enough of them to say who is right. Whoever differs from a majority has drifted.
 */
export class DriftWatch {
  readonly #machine: StateMachine
  /** At a leader: the newest digest of each peer. */
  readonly #peers = new Map<number, Digest>()
  /** At a leader: differences that nobody can decide yet. */
  readonly #disputes = new Disputes()
  /** Said by the leader and not yet compared: this replica had not applied as far. */
  #awaited: Digest | undefined
  #toldSeq = 0
  #agreedSeq = 0

  constructor(machine: StateMachine) {
    this.#machine = machine
  }

  /** The newest own digest if it was not given out yet. */
  newest(): Digest | undefined {
    const last = this.#machine.digests.at(-1)
    if (last === undefined || last.seq === this.#toldSeq) return undefined
    this.#toldSeq = last.seq
    return toDigest(last)
  }

  /** At a follower: the leader says what a majority has recorded. Tells where this replica differs. */
  noteAgreed(agreed: Digest): Drift | undefined {
    this.#awaited = agreed
    return this.recorded()
  }

  /** Entries were applied: what the leader said of them before is compared now. Tells where this replica differs. hot path: bench/cluster. */
  recorded(): Drift | undefined {
    const agreed = this.#awaited
    if (agreed === undefined || this.#machine.appliedSeq < agreed.seq) return undefined
    this.#awaited = undefined
    const own = this.#ownAt(agreed.seq)
    return own !== undefined && isUnlike(own, agreed) ? driftOf(own, agreed) : undefined
  }

  /** At the leader: takes a peer's own digest. Tells where this replica differs from a majority. */
  note(peer: number, digest: Digest, self: number, voters: readonly number[]): Drift | undefined {
    this.#peers.set(peer, digest)
    const own = this.#ownAt(digest.seq)
    if (own === undefined) return undefined
    if (!isUnlike(own, digest)) {
      this.#disputes.agrees(peer, digest.seq)
      return undefined
    }
    const drift = driftOf(own, digest)
    if (this.#count(digest, voters) * 2 > voters.length) {
      this.#disputes.clear()
      return drift
    }
    if (digest.seq <= this.#agreedSeq || this.#isOfMajority(own, self, voters)) this.#disputes.outvote(peer)
    else if (voters.includes(peer))
      this.#disputes.differs({ seq: drift.seq, own: drift.own, other: drift.others, peer })
    return undefined
  }

  /** At the leader: a digest newer than the last one of which a majority, this replica among them, has the same. */
  agreed(self: number, voters: readonly number[]): Digest | undefined {
    for (const { seq } of this.#peers.values()) {
      if (seq <= this.#agreedSeq) continue
      const own = this.#ownAt(seq)
      if (own === undefined || !this.#isOfMajority(own, self, voters)) continue
      this.#agreedSeq = seq
      this.#disputes.decided(seq)
      return own
    }
    return undefined
  }

  /** At the leader: the newest difference from a voter that no majority has decided. */
  dispute(voters: readonly number[]): Dispute | undefined {
    return this.#disputes.newest(voters)
  }

  /** A dispute that has begun and was not given out yet; once for each voter while it differs. */
  newDispute(): Dispute | undefined {
    return this.#disputes.opened()
  }

  /** This replica does not lead any more: it hears no more of its peers. */
  ledNoMore(): void {
    this.#disputes.clear()
  }

  #isOfMajority(own: Digest, self: number, voters: readonly number[]): boolean {
    return (this.#count(own, voters) + (voters.includes(self) ? 1 : 0)) * 2 > voters.length
  }

  #count(digest: Digest, voters: readonly number[]): number {
    let count = 0
    for (const [peer, other] of this.#peers) {
      if (other.seq === digest.seq && !isUnlike(other, digest) && voters.includes(peer)) count++
    }
    return count
  }

  #ownAt(seq: number): Digest | undefined {
    const found = this.#machine.digests.find(digest => digest.seq === seq)
    return found && toDigest(found)
  }

  /** The state was rebuilt from a peer. */
  clear(): void {
    this.#peers.clear()
    this.#disputes.clear()
    this.#awaited = undefined
    this.#toldSeq = 0
  }
}

function toDigest({ seq, effectChain, sum }: StateDigest): Digest {
  return { seq, chain: effectChain, s: digestToHex(sum) }
}

function driftOf(own: Digest, others: Digest): Drift {
  return { seq: own.seq, own: `${own.chain}:${own.s}`, others: `${others.chain}:${others.s}` }
}

function isUnlike(a: Digest, b: Digest): boolean {
  return a.chain !== b.chain || a.s !== b.s
}
