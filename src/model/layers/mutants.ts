/**
 * Bugs of the layers that the tests can switch on to show that they would be found. Production leaves it at undefined.
 * Each name says what the mutant does instead of the right thing.
 */
export type LayerMutant =
  /** Whoever once had a task may end it, also when another has it now. */
  | 'queue_ends_unfenced'
  /** Leases of tasks end by the clock of each worker. */
  | 'queue_by_own_clock'
  /** An effect is completed whatever somebody else has done in the meantime. */
  | 'effect_completes_again'
  /** What is done under a lease does not rest on it. */
  | 'lease_commits_unguarded'

let active: LayerMutant | undefined

/** For tests only. Without a name: back to production. */
export function setLayerMutant(mutant?: LayerMutant): void {
  active = mutant
}

let clocks = 0

/** For the mutant `queue_by_own_clock` only: how far the clock of one more worker is off, us. */
export function ownClockOffMicros(): number {
  return active === 'queue_by_own_clock' ? (clocks++ % 2) * 1_000_000 : 0
}

export function isMutant(mutant: LayerMutant): boolean {
  return active === mutant
}
