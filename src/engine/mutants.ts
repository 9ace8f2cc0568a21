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
  /** A session slot does not count in S. */
  | 'slot_not_in_digest'
  /** An idempotency key is recorded for a refusal too. */
  | 'idempotency_keeps_refusals'
  /** `notAfter` is checked before the session is looked up. */
  | 'not_after_before_session'
  /** Keys expire by this node's clock. */
  | 'expiry_by_own_clock'
  /** What a refused transaction changed before the refusal stays. */
  | 'refusal_keeps_changes'

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
