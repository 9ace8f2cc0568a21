/**
 * Bugs that the tests can switch on to show that they would be found. Production leaves the set empty.
 * Each name says what the mutant does instead of the right thing.
 */
export type LogMutant =
  /** A new segment's name is not made durable (D10). */
  | 'skip_directory_sync'
  /** Checksums do not know directory, segment and offset: old bytes of elsewhere pass for this place's. */
  | 'unseeded_checksums'
  /** Damage in the middle is taken for a torn end and cut off (W2). */
  | 'truncate_at_damage'
  /** What follows a torn frame is left where it is (W4). */
  | 'keep_bytes_after_truncation'
  /** A failed sync is tried again and believed (D9). */
  | 'retry_failed_sync'
  /** Completion is reported when written, before the sync (D1). */
  | 'acknowledge_before_sync'
  /** Votes always overwrite the same slot (W8). */
  | 'vote_in_place'
  /** A new segment holds the bytes of an older one. */
  | 'recycled_segment'
  /** The next segment is written to before the one before is synced. */
  | 'next_segment_before_sync'
  /** The end of the log is never marked. */
  | 'no_idle_marks'
  /** Whoever wants to hear of a sync looks at the counter before it says so: one that ends in between is told to nobody. */
  | 'looks_before_it_wishes'

let active: ReadonlySet<LogMutant> = Object.freeze(new Set<LogMutant>())

/** For tests only. An empty call goes back to production. */
export function setLogMutants(...mutants: LogMutant[]): void {
  active = Object.freeze(new Set(mutants))
}

export function isMutant(mutant: LogMutant): boolean {
  return active.size !== 0 && active.has(mutant)
}
