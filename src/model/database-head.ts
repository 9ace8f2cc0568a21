import type { Token } from './consistency.ts'

/** How far reads see, and how far no crash reaches. */
export interface Head {
  /** Reads see everything through it. */
  readonly visibleSeq: number
  /** A loss of power leaves everything through it: it is synced, in a cluster by a majority. */
  readonly durableSeq: number
}

/** A `Head` of a database, wherever it is. */
export interface DatabaseHead extends Head {
  /** Of `visibleSeq`: as `minSeq` it gives reads of at least that state on any node. */
  readonly token: Token
}
