/** Beyond, what lies between two lists is one joint instead of an edge for each pair. */
const PAIRS_MAX = 4_096

/** What comes before what. A node orders what anybody may send it: the number of edges grows as the batch does. */
export class Precedence {
  /** By vertex: first the operations, then joints, which stand between many and many. */
  readonly predecessors: Set<number>[]
  /** By vertex: the position by which it takes its turn; of a joint that of the first operation before it. */
  readonly rank: number[]

  constructor(operations: number) {
    this.predecessors = Array.from({ length: operations }, () => new Set())
    this.rank = [...this.predecessors.keys()]
  }

  before(first: number, then: number): void {
    if (first !== then) this.predecessors[then]!.add(first)
  }

  /** Each of `firsts` comes before each of `thens`. */
  allBefore(firsts: readonly number[], thens: readonly number[]): void {
    if (firsts.length < 2 || thens.length < 2 || firsts.length * thens.length <= PAIRS_MAX) {
      for (const first of firsts) for (const then of thens) this.before(first, then)
      return
    }
    const last = new Set(thens)
    const [both, other] = [firsts.filter(each => last.has(each)), firsts.filter(each => !last.has(each))]
    // Of two that are on both sides each would come before the other: a circle, which two of them are enough to show.
    for (const each of both.slice(0, 2)) {
      this.allBefore(firsts, [each])
      this.allBefore([each], thens)
      last.delete(each)
    }
    if (other.length === 0) return
    const joint = this.predecessors.push(new Set(other)) - 1
    this.rank.push(other.reduce((least, each) => Math.min(least, each)))
    for (const then of last) this.before(joint, then)
  }
}
