import {
  isVoter,
  majoritySize,
  type Configuration,
  type NodeId,
  type Seq,
  type Term,
} from '../../../../src/raft/core/index.ts'
import { mix, type SimEntry } from './entries.ts'

/** A promise of the protocol is broken. */
export class OracleViolation extends Error {}

interface Committed {
  readonly term: Term
  readonly chain: number
  readonly value: number
}

/** Sees all nodes at once and checks what none of them can see alone. */
export class Oracle {
  /** Every seq ever reported committed by anybody: it must never be another entry. */
  readonly #committed: Committed[] = []
  readonly #leaders = new Map<Term, NodeId>()
  readonly #maxCommitByTerm = new Map<Term, Seq>()
  /** Log matching: (seq, term) names one entry with one history. */
  readonly #chains = new Map<string, number>()
  /** Coverage counters, printed by the runner. */
  readonly counts = {
    elections: 0,
    commits: 0,
    reads: 0,
    leaseReads: 0,
    snapshots: 0,
    recoveries: 0,
    changes: 0,
    transfers: 0,
  }
  hash = 0

  get maxCommit(): Seq {
    return this.#committed.length
  }

  note(...values: readonly number[]): void {
    this.hash = mix(this.hash, ...values)
  }

  committedAt(seq: Seq): Committed | undefined {
    return this.#committed[seq - 1]
  }

  onAppended(node: NodeId, entry: SimEntry): void {
    const key = `${entry.seq}/${entry.term}`
    const known = this.#chains.get(key)
    if (known === undefined) this.#chains.set(key, entry.chain)
    else if (known !== entry.chain) throw new OracleViolation(`log matching: two entries ${key} (node ${node})`)
  }

  /** Election safety and leader completeness. `chainOf` reads the new leader's log; undefined below its base. */
  onLeader(node: NodeId, term: Term, lastSeq: Seq, chainOf: (seq: Seq) => number | undefined): void {
    const known = this.#leaders.get(term)
    if (known !== undefined && known !== node)
      throw new OracleViolation(`election safety: ${known} and ${node} lead ${term}`)
    if (known === node) return
    this.#leaders.set(term, node)
    this.counts.elections++
    let must = 0
    for (const [other, seq] of this.#maxCommitByTerm) if (other < term) must = Math.max(must, seq)
    if (lastSeq < must) throw new OracleViolation(`leader completeness: ${node} leads ${term} without ${must}`)
    const chain = must === 0 ? undefined : chainOf(must)
    if (chain !== undefined && chain !== this.#committed[must - 1]!.chain) {
      throw new OracleViolation(`leader completeness: ${node} leads ${term} with another entry ${must}`)
    }
  }

  /** A node reports entries as committed, in order. */
  onApplied(node: NodeId, term: Term, entry: SimEntry): void {
    const known = this.#committed[entry.seq - 1]
    if (known !== undefined) {
      if (known.chain !== entry.chain || known.term !== entry.term) {
        throw new OracleViolation(`state machine safety: ${node} applied another entry ${entry.seq}`)
      }
      return
    }
    if (entry.seq !== this.#committed.length + 1) throw new OracleViolation(`commit of ${entry.seq} skips entries`)
    this.#committed.push({ term: entry.term, chain: entry.chain, value: entry.value })
    this.counts.commits++
    this.#maxCommitByTerm.set(term, entry.seq)
  }

  /** A snapshot is state, too: it must be the committed one. */
  onInstalled(node: NodeId, seq: Seq, chain: number): void {
    this.counts.snapshots++
    const known = this.#committed[seq - 1]
    if (known === undefined || known.chain !== chain)
      throw new OracleViolation(`${node} installed a wrong snapshot ${seq}`)
  }

  /** The newest commit of a leader must be synced on a quorum of one of the configurations active in its turn. */
  onLeaderCommit(seq: Seq, configurations: readonly Configuration[], isDurableAt: (id: NodeId) => boolean): void {
    const isQuorum = (half: readonly NodeId[]): boolean =>
      half.length === 0 || half.filter(isDurableAt).length >= majoritySize(half.length)
    if (configurations.some(each => isQuorum(each.voters) && isQuorum(each.outgoing))) return
    throw new OracleViolation(`commit ${seq} is durable on no quorum`)
  }

  /** A read that began when `floor` was committed somewhere must not be served from before it. */
  onRead(node: NodeId, floor: Seq, seq: Seq, isLease: boolean): void {
    this.counts.reads++
    if (isLease) this.counts.leaseReads++
    if (seq < floor)
      throw new OracleViolation(`stale read at ${node}: index ${seq}, ${floor} was committed before it began`)
  }
}

export { isVoter }
