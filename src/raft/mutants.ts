/**
 * Bugs of the driver that the tests can switch on to show that they would be found. Production leaves the set empty.
 * Each name says what the mutant does instead of the right thing.
 */
export type ReplicaMutant =
  /** A confirmed read is answered from what is applied, whatever that is (R4). */
  | 'read_before_applied'
  /** A token's seq is not waited for. */
  | 'min_seq_ignored'
  /** A read with a bound on staleness is answered at once. */
  | 'stale_bound_ignored'
  /** The state refuses a first sending without a round, though it may be behind what its client was told. */
  | 'refusal_by_old_state'
  /** The state refuses copies too, which may have been applied. */
  | 'preflight_answers_retries'
  /** What is sent again to another leader says that it is sent for the first time. */
  | 'copies_sent_as_first'
  /** Time is the leader's own clock, not the median. */
  | 'own_clock_as_leader_time'
  /** Nothing that is due is ever removed. */
  | 'no_ticks'
  /** A replica that differs from its peers goes on. */
  | 'drift_not_fenced'
  /** A replica whose state does not add up at a peer does not look whether it has drifted. */
  | 'misfit_not_examined'
  /** Apply takes all that is committed in one go. */
  | 'apply_never_yields'
  /** Forwarded requests are put on a link that is full. */
  | 'forwarding_unbounded'
  /** What was issued behind a request that is refused as busy is taken all the same. */
  | 'busy_overtaken'
  /** Who comes by a member's name is that member, whatever directory it has (D11). */
  | 'member_by_name'
  /** Whoever has no group answers out of its empty state. */
  | 'unjoined_answers'

let active: ReadonlySet<ReplicaMutant> = Object.freeze(new Set<ReplicaMutant>())
let isAnyActive = false

/** For tests only. An empty call goes back to production. */
export function setReplicaMutants(...mutants: ReplicaMutant[]): void {
  active = Object.freeze(new Set(mutants))
  isAnyActive = mutants.length > 0
}

export function isMutant(mutant: ReplicaMutant): boolean {
  return isAnyActive && active.has(mutant)
}
