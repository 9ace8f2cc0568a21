import { digestToHex } from '../../encoding/index.ts'
import type { StateDigest } from '../../model/index.ts'

/** A digest in words; equal for equal ones. */
export function digestText({ sum, effectChain }: StateDigest): string {
  return `${digestToHex(sum)} ${effectChain.toString(16)}`
}

/**
 * What each node has recorded at the seqs at which digests are compared. Whoever has recorded something else than a majority is found to
 * have drifted; where no majority has the same, nobody can say who is right.
 */
export class RecordedDigests {
  readonly #texts = new Map<number, Map<string, string>>()

  /** A node has applied the entry at a seq that is recorded; once more if it had lost what came of it. */
  note(node: string, digest: StateDigest): void {
    let texts = this.#texts.get(digest.seq)
    if (texts === undefined) this.#texts.set(digest.seq, (texts = new Map<string, string>()))
    texts.set(node, digestText(digest))
  }

  /** Whether a majority of `nodeCount` nodes has at one seq the same, and `node` something else. */
  isDecidedAgainst(node: string, nodeCount: number): boolean {
    for (const texts of this.#texts.values()) {
      const own = texts.get(node)
      if (own === undefined) continue
      const others = [...texts.values()].filter(text => text !== own)
      if (others.some(text => others.filter(other => other === text).length * 2 > nodeCount)) return true
    }
    return false
  }
}
