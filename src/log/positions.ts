import type { LogSeal } from './log-seal.ts'

/** A place in the whole log: positions are ordered by segment, then by offset. */
export interface LogPosition {
  readonly segment: number
  /** Bytes from the beginning of the segment's file. */
  readonly offset: number
}

/** What identifies an entry and everything before it: equal points have equal histories. */
export interface ChainPoint {
  readonly seq: number
  readonly term: number
  /** The entry chain's value after the entry (encoding/entry.ts `chainEntry`). */
  readonly chain: number
}

/** What a replica must never forget. */
export interface HardState {
  readonly term: number
  /** Node id that got this term's vote; 0 = nobody. */
  readonly votedFor: number
  /** A seq known to be committed: a hint that may lag (rule D6), never ahead. */
  readonly commitSeq: number
}

export const NO_HARD_STATE: HardState = { term: 0, votedFor: 0, commitSeq: 0 }
export const LOG_BEGINNING: ChainPoint = { seq: 0, term: 0, chain: 0 }

/** Whose log this is; every checksum is seeded with the directory id. */
export interface LogIdentity {
  /** 16 bytes, minted when the data directory is created. */
  readonly directoryId: Uint8Array
  readonly groupId: number
  /** Of an encrypted or signed directory. */
  readonly seal?: LogSeal | undefined
}

export function isAfter(a: LogPosition, b: LogPosition): boolean {
  return a.segment > b.segment || (a.segment === b.segment && a.offset > b.offset)
}
