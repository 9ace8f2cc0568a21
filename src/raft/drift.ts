import { digestToHex } from '../encoding/index.ts'
import type { StateMachine } from '../model/index.ts'
import type { Digest } from './core/index.ts'

/** A replica whose state differs from its peers' (promise 5). */
export interface Drift {
  seq: number
  own: string
  others: string
}

/**
 * Compares the digests that replicas record at the same seqs and carry in heartbeats. A replica that differs from a majority of the
 * others, which agree among themselves, is the one that drifted.
 */
export class DriftWatch {
  readonly #machine: StateMachine
  /** Newest digest of each peer. */
  readonly #peers = new Map<number, Digest>()
  #toldSeq = 0
  drift: Drift | undefined

  constructor(machine: StateMachine) {
    this.#machine = machine
  }

  /** The newest own digest if it was not given out yet. */
  newest(): Digest | undefined {
    const last = this.#machine.digests.at(-1)
    if (last === undefined || last.seq === this.#toldSeq) return undefined
    this.#toldSeq = last.seq
    return { seq: last.seq, chain: last.effectChain, s: digestToHex(last.sum) }
  }

  /** Takes a peer's digest. True if this replica is found to differ from now on. */
  note(peer: number, digest: Digest, voters: number): boolean {
    this.#peers.set(peer, digest)
    const own = this.#machine.digests.find(({ seq }) => seq === digest.seq)
    if (own === undefined || this.drift !== undefined) return false
    const ownText = `${own.effectChain}:${digestToHex(own.sum)}`
    const votes = new Map<string, number>()
    for (const { seq, chain, s } of this.#peers.values()) {
      if (seq === digest.seq) votes.set(`${chain}:${s}`, (votes.get(`${chain}:${s}`) ?? 0) + 1)
    }
    for (const [text, count] of votes) {
      if (text === ownText || count * 2 <= voters) continue
      this.drift = { seq: digest.seq, own: ownText, others: text }
      return true
    }
    return false
  }

  /** The state was rebuilt from a peer. */
  clear(): void {
    this.drift = undefined
    this.#peers.clear()
    this.#toldSeq = 0
  }
}
