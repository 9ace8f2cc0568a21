import { digestToHex } from '../encoding/index.ts'
import { QuorateError } from '../model/index.ts'
import type { LeaderHint, StateDigest, StateMachine } from '../model/index.ts'
import type { Digest } from './core/index.ts'
import { isMutant } from './mutants.ts'

/** A replica whose state differs from its peers' (promise 5). */
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
  #toldSeq = 0
  #agreedSeq = 0
  drift: Drift | undefined

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

  /** At a follower: the leader says what a majority has recorded. True if this replica is found to differ from now on. */
  noteAgreed(agreed: Digest): boolean {
    const own = this.#ownAt(agreed.seq)
    return own !== undefined && isUnlike(own, agreed) && this.#drifted(own, agreed)
  }

  /** At the leader: takes a peer's own digest. True if this replica is found to differ from now on. */
  note(peer: number, digest: Digest, voters: readonly number[]): boolean {
    this.#peers.set(peer, digest)
    const own = this.#ownAt(digest.seq)
    if (own === undefined || !isUnlike(own, digest)) return false
    return this.#count(digest, voters) * 2 > voters.length && this.#drifted(own, digest)
  }

  /** At the leader: a digest newer than the last one of which a majority, this replica among them, has the same. */
  agreed(self: number, voters: readonly number[]): Digest | undefined {
    for (const { seq } of this.#peers.values()) {
      if (seq <= this.#agreedSeq) continue
      const own = this.#ownAt(seq)
      if (own === undefined) continue
      const others = this.#count(own, voters)
      if ((others + (voters.includes(self) ? 1 : 0)) * 2 <= voters.length) continue
      this.#agreedSeq = seq
      return own
    }
    return undefined
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

  #drifted(own: Digest, others: Digest): boolean {
    if (this.drift !== undefined || isMutant('drift_not_fenced')) return false
    this.drift = { seq: own.seq, own: `${own.chain}:${own.s}`, others: `${others.chain}:${others.s}` }
    return true
  }

  /** The state was rebuilt from a peer. */
  clear(): void {
    this.drift = undefined
    this.#peers.clear()
    this.#toldSeq = 0
  }
}

function toDigest({ seq, effectChain, sum }: StateDigest): Digest {
  return { seq, chain: effectChain, s: digestToHex(sum) }
}

function isUnlike(a: Digest, b: Digest): boolean {
  return a.chain !== b.chain || a.s !== b.s
}

/** What a replica that has drifted says instead of an answer. */
export function fencedError(leader: LeaderHint | undefined): QuorateError {
  const message = 'this node differs from its peers and answers nothing until it is rebuilt'
  return new QuorateError('fenced', message, { retryable: true, ...(leader && { leader }) })
}
