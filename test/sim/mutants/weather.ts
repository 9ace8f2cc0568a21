import type { FaultClasses, Profile, WriteMix } from '../../../src/testing/index.ts'

/**
 * Where a bug shows in a certain weather only, its seeds have it. All else is as drawn, and whatever is set here is something that a
 * seed may draw: the checks are the same as everywhere.
 */
type Weather = (profile: Profile) => Profile

const faults =
  (on: Partial<FaultClasses>): Weather =>
  profile => ({ ...profile, faults: { ...profile.faults, ...on }, meanFaultGapMs: 250 })

const storage =
  (change: Partial<Profile['storage']>): Weather =>
  profile => ({ ...profile, storage: { ...profile.storage, ...change } })

const workload =
  (change: Partial<Profile['workload']>): Weather =>
  profile => ({ ...profile, workload: { ...profile.workload, ...change } })

const writes =
  (change: Partial<WriteMix>): Weather =>
  profile =>
    workload({ mix: { ...profile.workload.mix, ...change } })(profile)

const all =
  (...parts: readonly Weather[]): Weather =>
  profile =>
    parts.reduce((changed, part) => part(changed), profile)

const BUSY = workload({ clients: 5, meanGapMs: 20 })
const CHECKPOINTS = storage({ checkpointAgeMs: 500, checkpointLogBytes: 8192 })
/** Many keys, few pages in memory, and leaves that split and merge. */
const CHURN = all(
  profile => storage({ budgetBytes: profile.storage.pageBytes * 48 })(profile),
  writes({ bulk: 12, sweep: 12 }),
  BUSY,
)
/** Who was away for long is brought forward by a snapshot. */
const LAGGING = all(
  storage({ lagLogBytes: 4096, segmentBytes: 16_384 }),
  CHECKPOINTS,
  BUSY,
  faults({ hasPartitions: true, hasProcessCrashes: true }),
)
/** Nobody's state is excused from what its snapshots do not say, and digests to begin from are never far back. */
const INCREMENTAL = all(
  LAGGING,
  storage({ digestInterval: 16 }),
  faults({ hasDrift: false, hasLyingDisk: false, hasLyingLog: false, hasRot: false, hasWipe: false }),
)
/** What the core tolerates to lose is lost often: its acknowledgements among it. */
const LOSSY: Weather = all(faults({ hasFrameFaults: true }), profile => ({ ...profile, frameFaultChance: 0.1 }))
const POWER = faults({ hasPowerLosses: true, hasCrashesInside: true })

/** Nothing but a loss of power excuses a log whose end is in doubt, and that not where it tears between sectors. */
const TELLING = faults({ hasFailedSyncs: false, hasRot: false, hasLyingLog: false, hasLyingDisk: false })

/** Much is written and not synced when the power goes. */
const SLOW_SYNCS = all(POWER, BUSY, workload({ valueBytes: 1500, pipeline: 8 }), profile => ({ ...profile, syncMs: 5 }))

/** Several callers, whose permissions come and go. */
const CALLERS = all(workload({ callers: 3, clients: 5 }), writes({ grants: 15 }))

/** Rows, under all that may happen to their tables. */
const TABLES = writes({ rows: 60, rowsWhere: 15, rowTtl: 20, indexes: 6 })

/** Links and tables that are soon full. */
const BOUNDED: Weather = profile => ({
  ...profile,
  bounds: {
    queueBytes: 2_048,
    socketBytes: 4_096,
    bytesPerMs: 1_000,
    requests: { waitingBytes: 4_096, frameBytes: 4_096, queuedBytes: 2_048 },
  },
  network: { ...profile.network, bytesPerMs: 1_000, socketBufferBytes: 4_096 },
})

/** Somebody loses its directory. */
const WIPED = faults({ hasWipe: true, hasLyingDisk: false, hasLyingLog: false, hasRot: false, hasDrift: false })

export const WEATHER: Readonly<Record<string, Weather>> = {
  'keyspace: checksumInPage': all(CHURN, CHECKPOINTS, faults({ hasLyingDisk: true, hasPowerLosses: true })),
  'keyspace: seqApartFromData': all(CHECKPOINTS, BUSY, faults({ hasProcessCrashes: true })),
  'keyspace: superblockBeforePages': all(CHECKPOINTS, POWER),
  'keyspace: freeBeforeSuperblock': all(CHECKPOINTS, POWER),
  'keyspace: seqLostOnMerge': all(CHURN, INCREMENTAL),
  'keyspace: seqLostOnSplit': all(CHURN, INCREMENTAL),
  'log: retry_failed_sync': faults({ hasFailedSyncs: true, hasPowerLosses: true }),
  'log: acknowledge_before_sync': POWER,
  'log: skip_directory_sync': all(POWER, storage({ segmentBytes: 16_384 })),
  'log: next_segment_before_sync': all(SLOW_SYNCS, storage({ segmentBytes: 16_384, lane: 'worker' })),
  'log: keep_bytes_after_truncation': all(SLOW_SYNCS, TELLING, profile => ({ ...profile, tear: 'sector' })),
  'log: unseeded_checksums': all(
    SLOW_SYNCS,
    writes({ logBytes: 40 }),
    storage({ segmentBytes: 16_384 }),
    faults({ hasPartitions: true }),
    profile => ({ ...profile, tear: 'sector' }),
  ),
  'log: no_idle_marks': all(
    faults({ hasRot: true, hasProcessCrashes: true, hasPartitions: true }),
    workload({ clients: 1, meanGapMs: 120, valueBytes: 1500 }),
  ),
  'log: truncate_at_damage': faults({ hasRot: true, hasLyingLog: true, hasProcessCrashes: true }),
  'log: vote_in_place': all(POWER, profile => ({ ...profile, tear: 'byte' })),
  'core: skip vote sync': all(POWER, faults({ hasPartitions: true }), profile => ({ ...profile, syncMs: 5 })),
  'core: snapshot ends without ack': all(LAGGING, LOSSY),
  'raft: preflight_answers_retries': all(writes({ otherScope: 25, catalog: 15 }), workload({ lostAnswers: 0.1 }), BUSY),
  'engine: slot_not_in_digest': profile => ({ ...workload({ pipeline: 8, meanGapMs: 20 })(profile), sliceChance: 1 }),
  'engine: session_floor_ignored': all(workload({ sessionLifetimeMs: 1500 }), faults({ hasProcessCrashes: true })),
  'engine: session_cache_survives_install': LAGGING,
  'engine: watch_without_reset': all(LAGGING, workload({ watchers: 3 })),
  'engine: range_read_set_unchecked': all(writes({ transaction: 20 }), BUSY),
  'engine: permissions_only_at_the_door': CALLERS,
  'engine: permissions_remembered': CALLERS,
  'engine: permissions_of_the_view': CALLERS,
  'engine: watch_outlives_permission': all(CALLERS, workload({ watchers: 3 })),
  'engine: policy_of_the_view': all(CALLERS, TABLES, writes({ policies: 12 })),
  'engine: policy_ignored_by_conditions': all(CALLERS, TABLES, writes({ policies: 12, rowsWhere: 60 })),
  'engine: quota_sums_kept': all(writes({ quotas: 10, shortLived: 40 }), BUSY),
  'engine: index_build_misses_writers': all(TABLES, writes({ rowBulk: 8, alter: 60 }), BUSY),
  'engine: row_expiry_leaves_entries': TABLES,
  'engine: expired_rows_in_queries': TABLES,
  'engine: events_removed_unnoticed': workload({ programs: ['events'] }),
  'engine: event_pages_cut_commits': workload({ programs: ['events'] }),
  'layers: queue_ends_unfenced': workload({ programs: ['queue'] }),
  'layers: queue_by_own_clock': workload({ programs: ['queue'] }),
  'layers: effect_completes_again': workload({ programs: ['effects'] }),
  'layers: lease_commits_unguarded': workload({ programs: ['leases'] }),
  'raft: refusal_by_old_state': all(CHURN, writes({ otherScope: 25, catalog: 15 }), faults({ hasHungReads: true })),
  'raft: copies_sent_as_first': all(
    LAGGING,
    writes({ otherScope: 60, catalog: 25 }),
    faults({ hasTransfers: true, hasPartitions: true, hasResets: true }),
    workload({ pipeline: 8, attemptMs: [1000, 3000], lostAnswers: 0 }),
  ),
  'raft: busy_overtaken': all(BOUNDED, BUSY, workload({ pipeline: 8 })),
  'raft: member_by_name': WIPED,
  'raft: unjoined_answers': WIPED,
  'raft: own_clock_as_leader_time': faults({ hasClockJumps: true }),
}

/**
 * What a bug must be caught by: that something goes wrong beside it, which a seed without the bug may be spared by chance, shows nothing.
 */
export const CAUGHT_BY: Readonly<Record<string, RegExp>> = {
  'keyspace: superblockBeforePages': /page|superblock/,
  'keyspace: seqLostOnMerge': /does not fit/,
  'keyspace: seqLostOnSplit': /does not fit/,
}
