/**
 * Deliberate bugs, each the breach of one rule, which the simulator must catch (raft.md 7.9). Production never
 * switches one on: `activateMutant` is called by tests only, and each switch point costs one comparison.
 */
export const MUTANTS = [
  'skip vote sync', // E1, D1
  'compare last seq before last term', // E2
  'own vote counted before sync', // E3
  'duplicate vote counted', // E3
  'answer to another candidacy counted', // E4
  'higher term of a pre-vote refusal ignored', // E5
  'stale term not answered', // E7
  'learner refuses to vote', // E8
  'campaign during install', // E9
  'quorum-loss leader keeps sending', // E12
  'truncate on any append', // L1
  'conflict below commit repaired', // L2
  'commit uncapped', // L3
  'heartbeat commit uncapped', // L4
  'prev below commit is a conflict', // L5
  'hint ignored', // L6
  'stale rejection accepted', // L7
  'stale stream ack accepted', // L8
  'commit old term by count', // L9
  'leader counts itself unsynced', // L10
  'unsorted quorum array', // L11
  'full window sends nothing', // L12
  'ack before sync', // L13
  'completion of overwritten entries counted', // D4
  'truncation of what was never written', // L1
  'restart forgets commit', // D6
  'vote while suspect', // W3, W6
  'keep log on conflicting snapshot', // S1
  'apply during install', // S3
  'snapshot ends without ack', // S6
  'offer of what is committed not answered', // S6
  'config kept after snapshot', // S7
  'second change while one is pending', // M1
  'config before own-term commit', // M2
  'no rollback of configuration', // M4
  'leave joint uncommitted', // M4
  'joint needs one majority', // M5
  'read before own-term commit', // R1
  'client id as read context', // R2
  'read joins the running round', // R3
  'read queue survives the term', // R3
  'lease through transfer', // R6
  'tick-based lease', // R7
  'no vote embargo after restart', // R8
  'proposals accepted during transfer', // T1
  'timeout-now before match', // T2
  'transfer flag survives term', // T3
  'transfer campaign respects leases', // T5
  'heartbeats during disk stall', // T6
  'timers re-anchored', // T8
  'apply backlog unbounded', // raft.md 7.8
  'election check before drained messages', // T9
  'own sync awaited by nobody', // raft.md 7.8
] as const

export type MutantName = (typeof MUTANTS)[number]

let active: MutantName | null = null

/** Tests only: breaks one rule in every core of this process, or none. */
export function activateMutant(name: MutantName | null): void {
  active = name
}

/** True if a test switched this bug on. */
export function isMutant(name: MutantName): boolean {
  return active !== null && active === name
}
