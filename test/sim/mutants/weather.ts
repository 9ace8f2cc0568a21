import type { FaultClasses, Profile } from '../../../src/testing/index.ts'

/**
 * Where a bug shows in a certain weather only, its seeds have it. All else is as drawn, and whatever is set here is something that a
 * seed may draw: the checks are the same as everywhere.
 */
const on = (profile: Profile, faults: Partial<FaultClasses>, change: Partial<Profile> = {}): Profile => ({
  ...profile,
  ...change,
  faults: { ...profile.faults, ...faults },
})

const checkpointing = (profile: Profile): Profile['storage'] => ({
  ...profile.storage,
  checkpointAgeMs: 500,
  checkpointLogBytes: 8192,
})

export const WEATHER: Readonly<Record<string, (profile: Profile) => Profile>> = {
  'keyspace: checksumInPage': profile =>
    on(profile, { hasLyingDisk: true, hasPowerLosses: true }, { meanFaultGapMs: 250, storage: checkpointing(profile) }),
  'keyspace: superblockBeforePages': profile =>
    on(
      profile,
      { hasPowerLosses: true, hasCrashesInside: true },
      { meanFaultGapMs: 250, storage: checkpointing(profile) },
    ),
  'log: retry_failed_sync': profile =>
    on(profile, { hasFailedSyncs: true, hasPowerLosses: true }, { meanFaultGapMs: 250 }),
  'log: acknowledge_before_sync': profile =>
    on(profile, { hasPowerLosses: true, hasCrashesInside: true }, { meanFaultGapMs: 250 }),
  'log: skip_directory_sync': profile =>
    on(
      profile,
      { hasPowerLosses: true },
      { meanFaultGapMs: 250, storage: { ...profile.storage, segmentBytes: 16_384 } },
    ),
  'core: skip vote sync': profile =>
    on(
      profile,
      { hasPowerLosses: true, hasCrashesInside: true, hasPartitions: true },
      { meanFaultGapMs: 250, syncMs: 5 },
    ),
  'engine: preflight_answers_retries': profile => ({
    ...profile,
    workload: { ...profile.workload, clients: 5, meanGapMs: 20, lostAnswers: 0.1 },
  }),
  'engine: slot_not_in_digest': profile => ({
    ...profile,
    sliceChance: 1,
    workload: { ...profile.workload, pipeline: 8, clients: 2, meanGapMs: 20 },
  }),
}
