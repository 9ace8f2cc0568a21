import { stopWith } from './fatal.ts'
import { appendToLog, createLogView } from './log-view.ts'
import { isMutant } from './mutants.ts'
import { createRng, nextUint32, type Rng } from './rng.ts'
import { DEFAULT_SETTINGS, findSettingsError, type Settings } from './settings.ts'
import type { Candidacy, RaftState, Reads, Recovery, Storage } from './state.ts'
import { NO_NODE, type ConfigurationAt, type EntryBatch, type HardState, type LogBase, type NodeId } from './types.ts'
import type { Seq } from './types.ts'

/** What a node knows when it starts: its identity, and what its disk holds. */
export interface CoreOptions {
  readonly id: NodeId
  readonly directoryId: string
  /** Deviations from DEFAULT_SETTINGS. */
  readonly settings?: Partial<Settings>
  /** Unsigned 32 bits, different for every start of every node: it names candidacies and recoveries. */
  readonly seed: number
  /** The newest synced hard state; zeros for an empty directory. */
  readonly hardState: HardState
  /** Precedes the first entry: zeros, or what the log was compacted to or installed at. */
  readonly base: LogBase
  /** The configuration as of `base`, if the base is not the empty log. */
  readonly baseConfiguration: ConfigurationAt | null
  /** The recovered entries after `base`, contiguous, all of them on disk. `ref` is not used. */
  readonly log: readonly EntryBatch[]
  /** What the state machine has durably applied: proof of commitment (D6). */
  readonly appliedSeq: Seq
  /** How the log was found. After `suspect` or `damaged` the driver keeps saying so until `recoveryEnded`. */
  readonly recovery: Recovery
}

/**
 * Builds the state of a starting node: a follower with a full election timeout (E11). Commit is the highest proof of it
 * (D6); one beyond the log means that committed entries are lost: fatal, unless a recovery is under way.
 */
export function createState(options: CoreOptions): RaftState {
  const settings = { ...DEFAULT_SETTINGS, ...options.settings }
  const settingsError = findSettingsError(settings)
  if (settingsError !== undefined) throw new RangeError(settingsError)
  if (!Number.isSafeInteger(options.id) || options.id <= 0) throw new RangeError('id must be a positive integer')
  const rng = createRng(options.seed)
  const state = blankState(options, settings, rng)
  for (const batch of options.log) {
    appendToLog(state.log, batch, state.log.lastSeq + 1)
    state.configurations.push(...batch.configurations)
  }
  state.storage.durableSeq = state.log.lastSeq
  if (options.recovery.kind !== 'clean') state.recoveryId = nextUint32(rng) || 1
  recoverCommit(state, options)
  state.checked = { term: state.term, vote: state.vote, commit: state.commit, done: 0 }
  return state
}

function recoverCommit(state: RaftState, options: CoreOptions): void {
  const proof = Math.max(options.hardState.commit, options.base.seq, options.appliedSeq)
  const lastSeq = state.log.lastSeq
  if (proof > lastSeq && state.recovery.kind === 'clean') {
    stopWith(state, 'commitBeyondLog', proof, `entries through ${proof} were committed, the log ends at ${lastSeq}`)
  } else if (proof > lastSeq) {
    // Not merely suspect: entries known to be committed are missing.
    const known = state.recovery.kind === 'damaged' ? state.recovery.throughSeq : 0
    state.recovery = { kind: 'damaged', throughSeq: Math.max(known, proof) }
  }
  state.commit = isMutant('restart forgets commit') ? state.log.base.seq : Math.min(proof, lastSeq)
}

function blankState(options: CoreOptions, settings: Settings, rng: Rng): RaftState {
  const { term, vote } = options.hardState
  return {
    id: options.id,
    directoryId: options.directoryId,
    settings,
    rng,
    nowMs: 0,
    wallMicros: 0,
    isClockSet: false,
    stopped: false,
    term,
    vote,
    commit: 0,
    heardCommit: 0,
    emittedCommit: 0,
    log: createLogView(options.base),
    configurations: options.baseConfiguration === null ? [] : [options.baseConfiguration],
    role: 'follower',
    leader: NO_NODE,
    told: { role: 'follower', term, leader: NO_NODE, isReady: false },
    lastLeaderContactMs: Number.NEGATIVE_INFINITY,
    electionDeadlineMs: Number.POSITIVE_INFINITY,
    voteEmbargoUntilMs: Number.NEGATIVE_INFINITY,
    candidacy: noCandidacy(),
    ack: { verifiedSeq: 0, ackedSeq: 0, streamId: 0, sentAtMs: 0, isOwed: false },
    reads: noReads(rng),
    leadership: null,
    transfer: null,
    recovery: options.recovery,
    recoveryId: 0,
    recoveryThroughSeq: null,
    pendingInstall: null,
    rebuildFrom: null,
    isFenced: false,
    isHandicapped: false,
    diskStallMs: 0,
    digest: null,
    agreedDigest: null,
    storage: idleStorage(),
    effects: [],
    checked: { term, vote, commit: 0, done: 0 },
    checkedConfiguration: undefined,
  }
}

function noCandidacy(): Candidacy {
  return {
    campaignId: 0,
    isTransfer: false,
    votes: new Map(),
    ends: new Map(),
    suspects: new Set(),
    knownAtStart: new Map(),
    knownRecoveries: new Map(),
  }
}

function noReads(rng: Rng): Reads {
  return {
    queue: [],
    round: null,
    seq: 0,
    isRoundToAnnounce: false,
    unsent: [],
    asked: new Map(),
    // Unique per attempt, also across restarts: a drawn high part and a counted low part (R2).
    nextReqId: (nextUint32(rng) >>> 11) * 0x1_0000_0000,
  }
}

function idleStorage(): Storage {
  return {
    issued: 0,
    done: 0,
    durableSeq: 0,
    pending: [],
    termIo: 0,
    voteIo: 0,
    isHardStateDirty: false,
    isTermDirty: false,
    resetTo: null,
    truncateFrom: null,
    append: [],
    outbox: [],
    held: [],
  }
}
