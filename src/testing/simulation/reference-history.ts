import type { ReferenceTable } from './reference-tables.ts'

/** States that are kept: whoever reads what is older is not judged by them. */
const STATES_MAX = 48

/** The tables as they were, as far back as it is kept. */
export class ReferenceHistory {
  /** Oldest first, each as it was until `throughSeq`. */
  readonly #states: { readonly throughSeq: number; readonly tables: readonly ReferenceTable[] }[] = []
  /** Nothing is known up to here. */
  #forgottenThrough = 0

  /** The entry `seq` has changed the tables, which were so before. */
  push(seq: number, tables: readonly ReferenceTable[]): void {
    this.#states.push({ throughSeq: seq - 1, tables })
    if (this.#states.length > STATES_MAX) this.#forgottenThrough = this.#states.shift()!.throughSeq
  }

  /** As after the entry `seq`, given those of now; undefined = forgotten. */
  at(seq: number, now: readonly ReferenceTable[]): readonly ReferenceTable[] | undefined {
    if (seq <= this.#forgottenThrough) return undefined
    return this.#states.find(({ throughSeq }) => throughSeq >= seq)?.tables ?? now
  }
}
