/**
 * Parameters of the core. The times must be the same on all members (leases and step-down compare them); the replica
 * takes them from replicated settings.
 */
export interface Settings {
  /** Time between heartbeats of a leader. */
  readonly heartbeatMs: number
  /** Shortest election timeout; a voter that heard a leader more recently refuses votes (the voters' lease). */
  readonly electionMinMs: number
  /** Longest election timeout; also how long a leader lives without a quorum, and "one election timeout" of T3 and T6. */
  readonly electionMaxMs: number
  /** Entries in flight to one peer. */
  readonly maxInflightEntries: number
  /** Bytes in flight to one peer. */
  readonly maxInflightBytes: number
  /** Append requests in flight to one peer. */
  readonly maxInflightMessages: number
  /** Largest append request; one entry larger than this travels alone. */
  readonly maxAppendBytes: number
  /** Most entries in one append request. */
  readonly maxAppendEntries: number
  /** Proposals are refused with `busy` while this much is appended but not committed, or committed but not applied. */
  readonly maxUncommittedBytes: number
  /**
   * How long a commit index may wait for an append that carries it. Only peers that wait for nothing are told late: those that
   * forwarded a request, or asked for a read, are told at once. 0 = always at once.
   */
  readonly commitDelayMs: number
  /** A read round asks as many voters as it needs, those that confirmed the one before; after this long it asks all of them. */
  readonly readWidenMs: number
  /** Reads that may wait for a round, on a leader or a follower. */
  readonly maxPendingReads: number
  /**
   * How long a leader's lease lasts that an answered message brings, and how long a voter that has started gives no vote. The same for ever: members
   * learn of other times one after the other, and a lease must not outlast what any of them keeps (R7, R8).
   */
  readonly leaseMs: number
  /** Whether `lease` reads may be answered without a round (R6-R8). Must be a replicated setting. */
  readonly isLeaseAllowed: boolean
  /** Bound on the difference in speed of two members' monotonic clocks, as a fraction; shortens the lease. */
  readonly clockDriftBound: number
}

export const DEFAULT_SETTINGS: Settings = {
  heartbeatMs: 50,
  electionMinMs: 300,
  electionMaxMs: 600,
  maxInflightEntries: 65_536,
  maxInflightBytes: 16 * 1024 * 1024,
  maxInflightMessages: 64,
  maxAppendBytes: 1024 * 1024,
  maxAppendEntries: 8_192,
  maxUncommittedBytes: 64 * 1024 * 1024,
  commitDelayMs: 3,
  readWidenMs: 4,
  maxPendingReads: 65_536,
  leaseMs: 150,
  isLeaseAllowed: false,
  clockDriftBound: 0.05,
}

/**
 * Checks that the parameters can work together.
 * @returns a sentence that names the first parameter that is wrong, or undefined
 */
export function findSettingsError(settings: Settings): string | undefined {
  if (!(settings.heartbeatMs > 0)) return 'heartbeatMs must be positive'
  if (!(settings.electionMinMs >= 2 * settings.heartbeatMs)) return 'electionMinMs must be at least two heartbeats'
  if (!(settings.electionMaxMs > settings.electionMinMs)) return 'electionMaxMs must exceed electionMinMs'
  if (!(settings.leaseMs > 0 && settings.leaseMs <= settings.electionMinMs)) {
    return 'leaseMs must be positive and at most electionMinMs'
  }
  if (!(settings.maxInflightMessages >= 1 && settings.maxInflightMessages <= 4_096)) {
    return 'maxInflightMessages must be 1 to 4096'
  }
  if (!(settings.maxInflightEntries >= 1)) return 'maxInflightEntries must be positive'
  if (!(settings.maxAppendEntries >= 1)) return 'maxAppendEntries must be positive'
  if (!(settings.maxInflightBytes >= 1 && settings.maxAppendBytes >= 1)) return 'byte limits must be positive'
  if (!(settings.maxUncommittedBytes >= 1)) return 'maxUncommittedBytes must be positive'
  if (!(settings.commitDelayMs >= 0)) return 'commitDelayMs must not be negative'
  if (!(settings.readWidenMs >= 0)) return 'readWidenMs must not be negative'
  if (!(settings.maxPendingReads >= 1)) return 'maxPendingReads must be positive'
  if (!(settings.clockDriftBound >= 0 && settings.clockDriftBound < 1)) return 'clockDriftBound must be in [0, 1)'
  return undefined
}
