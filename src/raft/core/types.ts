/**
 * The words of the core as data. Everything here is plain, cloneable and free of meaning to the disk or the wire:
 * entries are opaque, the driver (src/raft/replica.ts) keeps their bytes.
 */

/** Identity of a member, a positive integer from a configuration entry, never reused (D11). 0 stands for "none". */
export type NodeId = number

/** Raft term: 0 before the first election, then increasing. */
export type Term = number

/** Log index. Entry 1 is the bootstrap configuration; 0 is the empty log. */
export type Seq = number

/** "No node": no vote, no known leader. */
export const NO_NODE: NodeId = 0

/** One member of the group. `directoryId` is one copy of a disk: a new directory is a new member (D11). */
export interface Member {
  readonly id: NodeId
  readonly name: string
  readonly address: string
  readonly directoryId: string
}

/**
 * Who votes and who only listens. Active from the moment its entry is appended (D-A), rolled back when that entry is
 * truncated (M4). While `outgoing` is not empty the configuration is joint: votes, commits and read rounds need a
 * majority of `voters` and a majority of `outgoing` (M5).
 */
export interface Configuration {
  readonly historyId: string
  readonly members: readonly Member[]
  /** The voters, or the incoming half while joint. Never empty. */
  readonly voters: readonly NodeId[]
  /** The outgoing half while joint, otherwise empty. */
  readonly outgoing: readonly NodeId[]
  /** Members that receive the log and answer votes (E8), but count nowhere. Disjoint from both halves. */
  readonly learners: readonly NodeId[]
  /** Voters of the outgoing half that become learners when the joint configuration is left. */
  readonly learnersNext: readonly NodeId[]
}

/** What must be on disk before anything that rests on it is said (D1). `commit` is a hint (D5, D6). */
export interface HardState {
  readonly term: Term
  readonly vote: NodeId
  readonly commit: Seq
}

/** A place in the log: the up-to-date test compares term first, then seq (E2). */
export interface LogEnd {
  readonly term: Term
  readonly seq: Seq
}

/** Entries up to `lastSeq` (from the end of the run before, or the batch's `firstSeq`) have this term. */
export interface TermRun {
  readonly term: Term
  readonly lastSeq: Seq
}

/** A configuration entry inside a batch. */
export interface ConfigurationAt {
  readonly seq: Seq
  readonly configuration: Configuration
}

/** A range of entries that the driver reads from its log when it sends. `firstSeq <= lastSeq`. */
export interface EntryRange {
  readonly firstSeq: Seq
  readonly lastSeq: Seq
  /** Encoded size, exact at batch boundaries, otherwise interpolated: flow control only. */
  readonly byteLength: number
}

/**
 * Entries as the core sees them: proposed by the driver, received from a leader, or recovered from the log. Costs
 * O(term runs + configurations) and one copy of `chains`, never work per entry.
 */
export interface EntryBatch extends EntryRange {
  /** Non-empty, terms not decreasing, the last run ends at `lastSeq`. */
  readonly terms: readonly TermRun[]
  /** The configuration entries in the range, ascending; usually empty. */
  readonly configurations: readonly ConfigurationAt[]
  /** Entry chain of every entry, `lastSeq - firstSeq + 1` values. The core copies them, and hands them on in `persist`: they must not change. */
  readonly chains: Uint32Array
  /** The driver's handle to the encoded entries; handed back in `persist`. Never looked into. */
  readonly ref: unknown
}

/** What precedes the first retained entry: the last entry covered by a snapshot or by compaction. */
export interface LogBase {
  readonly seq: Seq
  readonly term: Term
  readonly chain: number
}

/** A snapshot, as the core needs to know it (S7: with the configuration as of its seq). */
export interface SnapshotMeta extends LogBase {
  readonly configuration: Configuration
}

/** Digest of the replicated state at a seq; opaque to the core, compared by the driver. */
export interface Digest {
  readonly seq: Seq
  readonly chain: number
  readonly s: string
}

/** E2: true if a log that ends at `a` is at least as up to date as one that ends at `b`. */
export function isAtLeast(a: LogEnd, b: LogEnd): boolean {
  return a.term > b.term || (a.term === b.term && a.seq >= b.seq)
}
