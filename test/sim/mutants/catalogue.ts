import type { KeyspaceMutants } from '../../../src/engine/index.ts'
import { setOwnClockSkew } from '../../../src/engine/kv/expiry.ts'
import { setEngineMutants } from '../../../src/engine/mutants.ts'
import type { EngineMutant } from '../../../src/engine/mutants.ts'
import { setLogMutants } from '../../../src/log/mutants.ts'
import type { LogMutant } from '../../../src/log/mutants.ts'
import { setLayerMutant } from '../../../src/model/layers/mutants.ts'
import type { LayerMutant } from '../../../src/model/layers/mutants.ts'
import { activateMutant } from '../../../src/raft/core/index.ts'
import type { MutantName } from '../../../src/raft/core/index.ts'
import { setReplicaMutants } from '../../../src/raft/mutants.ts'
import type { ReplicaMutant } from '../../../src/raft/mutants.ts'
import { runSeed } from '../run-seed.ts'
import { BUSY_APPLY, DRIFT, HUNG_READS, INDEX_DRIFT, MISFIT, runScenario } from '../scenarios.ts'
import type { Scenario } from '../scenarios.ts'
import { DECIDED } from '../shipped-drift.ts'
import { CORE_MUTANTS, CORE_RULES } from './core-mutants.ts'
import type { Mutant } from './mutant.ts'
import { CAUGHT_BY, WEATHER } from './weather.ts'

/** Whole nodes meet these too seldom, or never: which test plants each of them and notices it. */
const ENGINE_TESTS = {
  catalog_not_counted: 'test/engine/memory-use.test.ts',
} as const satisfies Partial<Record<EngineMutant, string>>

/** Simulated threads have their turns at one instant, so that no wake-up is lost. */
const LOG_TESTS = {
  looks_before_it_wishes: 'test/log/wishes.test.ts',
} as const satisfies Partial<Record<LogMutant, string>>

const KEYSPACE_TESTS = {
  progressOfAnother: 'test/engine/keyspace/resume.test.ts',
  progressBeforePages: 'test/engine/keyspace/resume.test.ts',
  gapSeqLost: 'test/engine/keyspace/resume-seqs.test.ts',
  usageKeepsOverwritten: 'test/engine/keyspace/usage.test.ts',
} as const satisfies Partial<Record<keyof KeyspaceMutants, string>>

const REPLICA_TESTS = {
  forwarding_unbounded: 'test/raft/replica/forwarding.test.ts',
} as const satisfies Partial<Record<ReplicaMutant, string>>

/** The tests that catch what no simulator is asked to notice, by the name of the bug. */
export const CAUGHT_BY_TESTS: Readonly<Record<string, string>> = {
  ...ENGINE_TESTS,
  ...LOG_TESTS,
  ...KEYSPACE_TESTS,
  ...REPLICA_TESTS,
}

/** Those of `STAGED` runs, and the one that two rooms look at: each has a line of its own below. */
type EngineApart = 'cold_pages_read_at_once' | 'preflight_answers_retries'
type ReplicaApart = 'apply_never_yields' | 'drift_not_fenced' | 'misfit_not_examined' | 'preflight_answers_retries'

/** Each room's other switches, all of them, and the promise that each breaks. */
const ENGINE_RULES: Readonly<Record<Exclude<EngineMutant, keyof typeof ENGINE_TESTS | EngineApart>, string>> = {
  read_set_by_neighbours: 'DESIGN 7 read sets',
  apply_reads_configuration: 'DESIGN 7 deterministic',
  slot_not_in_digest: 'DESIGN 7 digests',
  idempotency_keeps_refusals: 'DESIGN 7 refusals',
  not_after_before_session: 'DESIGN 7 notAfter',
  expiry_by_own_clock: 'DESIGN 7 leader time',
  refusal_keeps_changes: 'promise 4',
  overtaken_serials_applied: 'DESIGN 4 issue order',
  session_floor_ignored: 'DESIGN 7 leader time',
  session_cache_survives_install: 'promise 3',
  watch_without_reset: 'DESIGN 7 changes',
  watch_from_inclusive: 'DESIGN 7 changes',
  at_seq_without_replay: 'DESIGN 5 atSeq',
  cold_entry_keeps_changes: 'DESIGN 7 cold pages',
  range_read_set_unchecked: 'DESIGN 7 read sets',
  outcomes_forgotten_early: 'DESIGN 7 sessions',
  expired_keys_in_scans: 'DESIGN 7 leader time',
  permissions_only_at_the_door: 'promise 7',
  permissions_remembered: 'promise 7',
  permissions_of_the_view: 'promise 7',
  watch_outlives_permission: 'promise 7',
  policy_of_the_view: 'promise 7',
  policy_ignored_by_conditions: 'promise 7',
  quota_sums_kept: 'DESIGN 7 deterministic',
  index_build_misses_writers: 'DESIGN 5 long work',
  row_expiry_leaves_entries: 'DESIGN 7 index maintenance',
  expired_rows_in_queries: 'DESIGN 7 leader time',
  events_removed_unnoticed: 'DESIGN 7 events',
  event_pages_cut_commits: 'DESIGN 7 events',
}

const LAYER_RULES: Readonly<Record<LayerMutant, string>> = {
  queue_ends_unfenced: 'queue fencing',
  queue_by_own_clock: 'queue leader time',
  effect_completes_again: 'effects once',
  lease_commits_unguarded: 'leases fencing',
}

const LOG_RULES: Readonly<Record<Exclude<LogMutant, keyof typeof LOG_TESTS>, string>> = {
  skip_directory_sync: 'D10',
  unseeded_checksums: 'DESIGN 6 seeds',
  truncate_at_damage: 'W2',
  keep_bytes_after_truncation: 'W4',
  retry_failed_sync: 'D9',
  acknowledge_before_sync: 'D1',
  vote_in_place: 'W8',
  recycled_segment: 'DESIGN 6 segments',
  next_segment_before_sync: 'DESIGN 6 segments',
  no_idle_marks: 'DESIGN 6 marks',
}

const KEYSPACE_RULES: Readonly<Record<Exclude<keyof KeyspaceMutants, keyof typeof KEYSPACE_TESTS>, string>> = {
  checksumInPage: 'DESIGN 5 checksums',
  superblockBeforePages: 'DESIGN 5 checkpoint',
  freeBeforeSuperblock: 'DESIGN 5 checkpoint',
  seqLostOnMerge: 'DESIGN 5 leaf images',
  overwriteInPlace: 'DESIGN 5 epochs',
  viewSeesLater: 'DESIGN 5 views',
  digestKeepsOverwritten: 'DESIGN 7 digests',
  seqLostOnSplit: 'DESIGN 5 leaf images',
  superblockNotSynced: 'DESIGN 5 checkpoint',
  seqApartFromData: 'D12',
}

const REPLICA_RULES: Readonly<Record<Exclude<ReplicaMutant, keyof typeof REPLICA_TESTS | ReplicaApart>, string>> = {
  read_before_applied: 'R4',
  min_seq_ignored: 'promise 2',
  stale_bound_ignored: 'promise 2',
  refusal_by_old_state: 'DESIGN 7 preflight',
  copies_sent_as_first: 'DESIGN 7 copies',
  own_clock_as_leader_time: 'DESIGN 7 leader time',
  no_ticks: 'DESIGN 7 leader time',
  busy_overtaken: 'DESIGN 7 sessions',
  member_by_name: 'D11',
  unjoined_answers: 'D11',
}

/** Of the core's bugs those that whole nodes show too; its own simulator looks for all of them. */
const CORE_IN_NODES: readonly MutantName[] = [
  'skip vote sync',
  'unsorted quorum array',
  'leader counts itself unsynced',
  'ack before sync',
  'snapshot ends without ack',
  'read before own-term commit',
]

function inNodes(name: string, rule: string, plant: () => void, keyspace?: KeyspaceMutants): Mutant {
  const adjust = WEATHER[name]
  const options = adjust === undefined ? {} : { adjust }
  const run = async (seed: number, isPlanted: boolean): Promise<string | undefined> => {
    if (isPlanted) plant()
    try {
      return (await runSeed(seed, options, isPlanted ? keyspace : undefined)).failure
    } finally {
      restoreHealth()
    }
  }
  return { name, rule, simulator: 'nodes', caughtBy: CAUGHT_BY[name], run }
}

/** Bugs that break what a staged run asks for. */
const STAGED: readonly [name: string, rule: string, scenario: Scenario, plant: () => void][] = [
  ['raft: apply_never_yields', 'DESIGN 7 never stall', BUSY_APPLY, () => setReplicaMutants('apply_never_yields')],
  [
    'engine: cold_pages_read_at_once',
    'DESIGN 7 never stall',
    HUNG_READS,
    () => setEngineMutants('cold_pages_read_at_once'),
  ],
  ['raft: drift_not_fenced', 'promise 5', DRIFT, () => setReplicaMutants('drift_not_fenced')],
  ['raft: drift_not_fenced (index)', 'promise 5', INDEX_DRIFT, () => setReplicaMutants('drift_not_fenced')],
  ['raft: drift_not_fenced (shipped)', 'promise 5', DECIDED, () => setReplicaMutants('drift_not_fenced')],
  ['raft: misfit_not_examined', 'promise 5', MISFIT, () => setReplicaMutants('misfit_not_examined')],
]

function inScenario(name: string, rule: string, scenario: Scenario, plant: () => void): Mutant {
  const run = async (seed: number, isPlanted: boolean): Promise<string | undefined> => {
    if (isPlanted) plant()
    try {
      return await runScenario(scenario, seed)
    } finally {
      restoreHealth()
    }
  }
  return { name, rule, simulator: 'nodes', run }
}

function entries<K extends string>(rules: Readonly<Record<K, string>>): [K, string][] {
  return Object.entries(rules) as [K, string][]
}

/** Bugs of whole nodes. */
export const NODE_MUTANTS: readonly Mutant[] = [
  ...entries(ENGINE_RULES).map(([name, rule]) =>
    inNodes(`engine: ${name}`, rule, () => {
      setEngineMutants(name)
      if (name === 'expiry_by_own_clock') setOwnClockSkew(300_000)
    }),
  ),
  ...entries(LAYER_RULES).map(([name, rule]) => inNodes(`layers: ${name}`, rule, () => setLayerMutant(name))),
  ...entries(KEYSPACE_RULES).map(([name, rule]) => inNodes(`keyspace: ${name}`, rule, () => {}, { [name]: true })),
  ...entries(LOG_RULES).map(([name, rule]) => inNodes(`log: ${name}`, rule, () => setLogMutants(name))),
  ...entries(REPLICA_RULES).map(([name, rule]) => inNodes(`raft: ${name}`, rule, () => setReplicaMutants(name))),
  // Both rooms look at it.
  inNodes('raft: preflight_answers_retries', 'DESIGN 7 preflight', () => {
    setReplicaMutants('preflight_answers_retries')
    setEngineMutants('preflight_answers_retries')
  }),
  ...STAGED.map(parts => inScenario(...parts)),
  ...CORE_IN_NODES.map(name => inNodes(`core: ${name}`, CORE_RULES[name], () => activateMutant(name))),
]

/** Every switch of every room that a simulator is to notice. */
export const MUTANTS: readonly Mutant[] = [...NODE_MUTANTS, ...CORE_MUTANTS]

/** Switches all planted bugs off. */
function restoreHealth(): void {
  setEngineMutants()
  setLayerMutant()
  setOwnClockSkew(0)
  setLogMutants()
  setReplicaMutants()
  activateMutant(null)
}
