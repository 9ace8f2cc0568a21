/**
 * Bugs that the tests can switch on to show that they would be found. Production leaves the set empty.
 * Each name says what the mutant does instead of the right thing.
 */
export type EngineMutant =
  /** A point of a read set is compared with the newest change of anything instead of the key's own version. */
  | 'read_set_by_neighbours'
  /** Preflight also judges copies of requests that may have been applied already. */
  | 'preflight_answers_retries'
  /** Apply takes a limit from its own configuration. */
  | 'apply_reads_configuration'
  /** The catalog takes memory that nobody counts. */
  | 'catalog_not_counted'
  /** A session slot does not count in S. */
  | 'slot_not_in_digest'
  /** An idempotency key is recorded for a refusal too. */
  | 'idempotency_keeps_refusals'
  /** `notAfter` is checked before the session is looked up. */
  | 'not_after_before_session'
  /** Keys expire by this node's clock. */
  | 'expiry_by_own_clock'
  /** What a client issued before is applied behind what it issued later. */
  | 'overtaken_serials_applied'
  /** What a refused transaction changed before the refusal stays. */
  | 'refusal_keeps_changes'
  /** A new term does not keep sessions alive for one more lifetime. */
  | 'session_floor_ignored'
  /** What is remembered of sessions outlives the state that it was read from. */
  | 'session_cache_survives_install'
  /** Watches go on behind an installed snapshot as if nothing was missing. */
  | 'watch_without_reset'
  /** A watch is told again of the change that it begins after. */
  | 'watch_from_inclusive'
  /** A view of an older seq is the nearest root, under that seq's name. */
  | 'at_seq_without_replay'
  /** An entry that met a cold page keeps what it had done. */
  | 'cold_entry_keeps_changes'
  /** Ranges of a read set are not compared. */
  | 'range_read_set_unchecked'
  /** Outcomes are forgotten before their client has acknowledged them. */
  | 'outcomes_forgotten_early'
  /** A range of a read set and a scan see keys that have expired. */
  | 'expired_keys_in_scans'
  /** Apply reads pages that are not in memory on its thread. */
  | 'cold_pages_read_at_once'
  /** Only preflight looks at permissions. */
  | 'permissions_only_at_the_door'
  /** A permission that is taken is remembered until the node starts again. */
  | 'permissions_remembered'
  /** Reads are judged by the permissions of the seq that they see. */
  | 'permissions_of_the_view'
  /** A watch goes on when its permission is taken. */
  | 'watch_outlives_permission'
  /** A read policy is that of the seq that is read. */
  | 'policy_of_the_view'
  /** Conditions of mutations also meet rows that the caller does not see. */
  | 'policy_ignored_by_conditions'
  /** What a project holds is summed once, whatever else has removed some of it since. */
  | 'quota_sums_kept'
  /** Writers do not enter their rows into an index that is still being built. */
  | 'index_build_misses_writers'
  /** A row that expires leaves its index entries. */
  | 'row_expiry_leaves_entries'
  /** Queries see rows that have expired. */
  | 'expired_rows_in_queries'
  /** Events are removed, and readers are not told from where. */
  | 'events_removed_unnoticed'
  /** A page of events ends in the midst of a commit. */
  | 'event_pages_cut_commits'

let active: ReadonlySet<EngineMutant> = Object.freeze(new Set<EngineMutant>())
let isAnyActive = false

/** For tests only. An empty call goes back to production. */
export function setEngineMutants(...mutants: EngineMutant[]): void {
  active = Object.freeze(new Set(mutants))
  isAnyActive = mutants.length > 0
}

export function isMutant(mutant: EngineMutant): boolean {
  return isAnyActive && active.has(mutant)
}
