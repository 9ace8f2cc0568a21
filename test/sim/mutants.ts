import type { KeyspaceMutants } from '../../src/engine/index.ts'
import { setEngineMutants } from '../../src/engine/mutants.ts'
import type { EngineMutant } from '../../src/engine/mutants.ts'
import { setOwnClockSkew } from '../../src/engine/kv/expiry.ts'
import { setLogMutants } from '../../src/log/mutants.ts'
import type { LogMutant } from '../../src/log/mutants.ts'
import { activateMutant } from '../../src/raft/core/index.ts'
import type { MutantName } from '../../src/raft/core/index.ts'
import type { FaultClasses, Profile } from '../../src/testing/index.ts'

/** A planted bug, and where the simulator should look for it. */
export interface Mutant {
  readonly name: string
  readonly activate: () => void
  readonly keyspace?: KeyspaceMutants
  /** Changes what a seed has drawn, where plain swarm does not come by within a few hundred seeds. */
  readonly adjust?: (profile: Profile) => Profile
}

/** Of the core's mutants those that whole nodes show; its own simulator (test/raft/core/sim) looks for all of them. */
const WHOLE_NODE_CORE_MUTANTS: readonly MutantName[] = [
  'skip vote sync',
  'compare last seq before last term',
  'truncate on any append',
  'unsorted quorum array',
  'leader counts itself unsynced',
  'ack before sync',
]

const LOG_MUTANTS: readonly LogMutant[] = [
  'skip_directory_sync',
  'unseeded_checksums',
  'truncate_at_damage',
  'keep_bytes_after_truncation',
  'retry_failed_sync',
  'acknowledge_before_sync',
  'vote_in_place',
]

const ENGINE_MUTANTS: readonly EngineMutant[] = [
  'read_set_by_neighbours',
  'preflight_answers_retries',
  'apply_reads_configuration',
  'slot_not_in_digest',
  'idempotency_keeps_refusals',
  'not_after_before_session',
  'expiry_by_own_clock',
  'refusal_keeps_changes',
]

const KEYSPACE_MUTANTS: readonly (keyof KeyspaceMutants)[] = [
  'checksumInPage',
  'superblockBeforePages',
  'freeBeforeSuperblock',
  'seqLostOnMerge',
  'overwriteInPlace',
  'viewSeesLater',
  'digestKeepsOverwritten',
]

const on = (profile: Profile, faults: Partial<FaultClasses>, change: Partial<Profile> = {}): Profile => ({
  ...profile,
  ...change,
  faults: { ...profile.faults, ...faults },
})

/** Where a bug needs a certain weather to show, its seeds have it; all else is as drawn. */
const WEATHER: Readonly<Record<string, (profile: Profile) => Profile>> = {
  'keyspace: checksumInPage': profile =>
    on(
      profile,
      { hasLyingDisk: true, hasPowerLosses: true },
      { meanFaultGapMs: 200, storage: { ...profile.storage, checkpointAgeMs: 500, checkpointLogBytes: 8192 } },
    ),
  'keyspace: superblockBeforePages': profile =>
    on(
      profile,
      { hasPowerLosses: true, hasCrashesInside: true },
      { meanFaultGapMs: 200, storage: { ...profile.storage, checkpointAgeMs: 500, checkpointLogBytes: 8192 } },
    ),
  'log: retry_failed_sync': profile =>
    on(profile, { hasFailedSyncs: true, hasPowerLosses: true }, { meanFaultGapMs: 200 }),
  'log: acknowledge_before_sync': profile =>
    on(profile, { hasPowerLosses: true, hasCrashesInside: true }, { meanFaultGapMs: 200 }),
  'log: skip_directory_sync': profile =>
    on(
      profile,
      { hasPowerLosses: true },
      { meanFaultGapMs: 200, storage: { ...profile.storage, segmentBytes: 16_384 } },
    ),
  'core: skip vote sync': profile =>
    on(
      profile,
      { hasPowerLosses: true, hasCrashesInside: true, hasPartitions: true },
      { meanFaultGapMs: 400, syncMs: 5 },
    ),
  'engine: preflight_answers_retries': profile => ({
    ...profile,
    workload: { ...profile.workload, clients: 5, meanGapMs: 20, lostAnswers: 0.3 },
  }),
  'engine: slot_not_in_digest': profile => ({
    ...profile,
    sliceChance: 1,
    workload: { ...profile.workload, pipeline: 8, clients: 2, meanGapMs: 10 },
  }),
}

/** Every switch of every room that the simulator is to notice, under one kind of name: room and bug. */
export const MUTANTS: readonly Mutant[] = [
  ...ENGINE_MUTANTS.map(name => ({
    name: `engine: ${name}`,
    activate: () => {
      setEngineMutants(name)
      if (name === 'expiry_by_own_clock') setOwnClockSkew(300_000)
    },
  })),
  ...KEYSPACE_MUTANTS.map(name => ({ name: `keyspace: ${name}`, activate: () => {}, keyspace: { [name]: true } })),
  ...LOG_MUTANTS.map(name => ({ name: `log: ${name}`, activate: () => setLogMutants(name) })),
  ...WHOLE_NODE_CORE_MUTANTS.map(name => ({ name: `core: ${name}`, activate: () => activateMutant(name) })),
].map(mutant => {
  const adjust = WEATHER[mutant.name]
  return adjust === undefined ? mutant : { ...mutant, adjust }
})

/** Switches all planted bugs off. */
export function restoreHealth(): void {
  setEngineMutants()
  setOwnClockSkew(0)
  setLogMutants()
  activateMutant(null)
}
