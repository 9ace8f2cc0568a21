import type { ErrorCode, QuorateError } from './errors.ts'
import type { Configuration, Digest64, EntryBatch } from '../encoding/index.ts'
import type { ServiceWatch, SessionOwner, WatchSink } from './service.ts'
import type { ClusterSettings } from './settings.ts'
import type { StateView } from './state-view.ts'

/**
 * Replicated state as a sequencer drives it: `raft/replica.ts` in a cluster, the engine's LocalSequencer in one process. `apply` is a
 * pure function of (state, entry) (DESIGN 7): no clock, no configuration, nothing physical. One caller drives it; nothing here may be
 * called from within a callback of it.
 */
export interface StateMachine {
  /** Seq of the newest entry applied and published: what views show. */
  readonly appliedSeq: number
  readonly appliedTerm: number
  /** Entry chain value at `appliedSeq`. */
  readonly appliedChain: number
  /** Leader time of the newest applied entry, us. Keys whose expiry is not later are gone. */
  readonly leaderTimeMicros: number
  /** The newest applied settings; never changed in place. */
  readonly settings: ClusterSettings
  readonly historyId: string
  readonly configuration: Configuration | undefined

  /** Earliest expiry of any key or session and idempotency key in leader time us; undefined = nothing expires. The leader appends a tick when it is due. */
  nextExpiryMicros(): number | undefined

  /** Starts to load the pages that the entries will need, without waiting; never changes state. */
  prefetch(batch: EntryBatch): void

  /**
   * Applies the entries of `batch` after `appliedSeq` in order as one epoch and publishes them together. May stop early, between two
   * entries: `shouldYield` is asked after each entry, and a cold page stops before the entry that met it with nothing of that entry
   * changed. The caller then goes on from `appliedSeq + 1` with the same bytes, after `cold` was awaited where given.
   * A throw means that nothing of the failing entry was published and that the replica must stop (poisoned entry).
   */
  apply(batch: EntryBatch, shouldYield: () => boolean): ApplyResult

  /** A pinned view of the newest published state. */
  view(): StateView
  /**
   * A view of exactly seq `seq`; `entries` supplies log entries after a retained root (bounded by `maxReplayEntries`).
   * @throws QuorateError `seq_unavailable` with the window
   */
  viewAt(seq: number, entries: (fromSeq: number, throughSeq: number) => Promise<EntryBatch>): Promise<StateView>
  /** The oldest seq that `viewAt` can reach. */
  readonly oldestViewSeq: number

  /**
   * Refuses what the request alone shows to be wrong (form, limits): the outcome's error, or undefined. Reads no keys, no clock. The request
   * stands from `at` (0 unless given) to the end.
   */
  checkRequest(request: Uint8Array, at?: number): RequestRefusal | undefined
  /** Whether the newest state refuses the request by catalog or permissions (DESIGN 7.3); reads the catalog cache only. */
  preflight(request: Uint8Array): RequestRefusal | undefined
  /** The recorded outcome of (session, serial) if it is in memory or in a resident page. */
  recordedOutcome(session: number, serial: number): Uint8Array | undefined

  /** Who opened a session, with which nonce; undefined if there is none, or not any more. */
  sessionOwner(session: number): Promise<SessionOwner | undefined>

  /** Digests recorded at seqs divisible by 4,096, newest last; bounded. */
  readonly digests: readonly StateDigest[]

  /**
   * Reads the newest published state page by page and sums its records up anew. `turn` is awaited after each bounded step, so that all
   * else goes on. Rejects with QuorateError `damaged` naming file and offset where a page is not what it should be, with `FileError`
   * where the disk fails.
   */
  recomputeDigest(turn: () => Promise<void>): Promise<RecomputedDigest>

  /**
   * Told, once and at once, that a write or sync of the state has failed. That is final: what is in memory can no longer be made durable,
   * so whoever drives this stops, with that cause, instead of going on until the next checkpoint finds it out.
   */
  set onStorageFailed(handler: (error: Error) => void)

  /** Dirty pages or memory at their bound: the sequencer must refuse new proposals with `busy`. */
  readonly isBusy: boolean

  /** Incremental checkpoint. Resolves when its superblock is synced; `syncedThrough` tells how far the own log is durable. */
  checkpoint(syncedThrough: () => Promise<number>): Promise<CheckpointState>
  /** Seq of the older superblock: log entries at or below it are not needed by recovery. */
  readonly checkpointedSeq: number
  /** The newest synced superblock's seq: what is certainly applied after a crash. */
  readonly newestCheckpointSeq: number

  /**
   * Delivers the changes of the selected keys after `fromSeq` (undefined = from now): first what is still known of the past, then each
   * publication. What is no longer known gives `reset`. `resume` goes on after a sink has asked to pause.
   */
  watch(
    selector: ServiceWatch,
    fromSeq: number | undefined,
    sink: WatchSink,
    entries?: (fromSeq: number, throughSeq: number) => Promise<EntryBatch>,
  ): { close(): void; resume(): void }
  /** Tells every watch how far it is, so that it can resume from there; the driver calls it every few seconds. */
  watchProgress(): void
  /** Ends every watch with `error`. */
  failWatches(error: QuorateError): void

  snapshotSource(since: SnapshotBase | undefined): Promise<SnapshotSource>
  /**
   * Prepares an install that nobody sees before its commit: no entry is applied from now on, until the sink has committed or aborted.
   * `resumeAfter` of the sink tells what is done already of the same manifest.
   */
  beginInstall(manifest: SnapshotManifest): Promise<SnapshotSink>
  close(): Promise<void>
}

export interface ApplyResult {
  /** Last applied and published entry. */
  appliedThrough: number
  /** One per entry that was applied and has somebody waiting for it: transactions and session openings, in order. */
  outcomes: EntryOutcome[]
  /** Set when a cold page stopped it: await it, then call again. */
  cold: Promise<void> | undefined
}

export interface EntryOutcome {
  seq: number
  /** 0 = the entry had no session. For a session opening: its seq. */
  session: number
  serial: number
  /** encoding/outcome.ts. */
  outcome: Uint8Array
  /** The outcome had been recorded before: this entry was a copy and changed nothing. */
  isDuplicate: boolean
}

export interface RequestRefusal {
  code: ErrorCode
  message: string
  /** Which mutation, as apply would say. */
  detail?: { index: number; actualSeq: number }
}

export interface StateDigest {
  seq: number
  /** Chain over effects up to `seq`. */
  effectChain: number
  /** Sum over all records. */
  sum: Digest64
}

/** What a state says of itself, and what its pages say. */
export interface RecomputedDigest {
  carried: StateDigest
  found: Digest64
}

export interface CheckpointState {
  seq: number
  number: number
}

/** Where an incremental snapshot may start: the receiver's own records, to be compared with the sender's (DESIGN 5). */
export interface SnapshotBase {
  seq: number
  sum: Digest64
  effectChain: number
}

export interface SnapshotManifest {
  seq: number
  term: number
  chain: number
  effectChain: number
  sum: Digest64
  leaderTimeMicros: number
  featureLevel: number
  historyId: string
  configuration: Uint8Array
  /** 0 = full; otherwise only what changed after it. */
  sinceSeq: number
}

/** Yields the state as chunks; each is self-contained (leaf images and large values), and who carries it has a checksum for it. */
export interface SnapshotSource {
  readonly manifest: SnapshotManifest
  /** The next chunk of about `targetBytes`; undefined at the end. */
  next(targetBytes: number): Promise<SnapshotChunk | undefined>
  /** Goes on after the fence of the last chunk that a resuming receiver has; undefined = from the beginning. */
  seek(afterFence: Uint8Array | undefined): void
  close(): void
}

export interface SnapshotChunk {
  bytes: Uint8Array
  /** Upper fence of what this chunk covers; a receiver that has it may resume after it. */
  fence: Uint8Array
}

/** What arrived does not make the state that the manifest announced; nothing of it was committed. */
export class SnapshotMismatch extends Error {
  override readonly name = 'SnapshotMismatch'
}

export interface SnapshotSink {
  /** Fence up to which an earlier, interrupted install of the same manifest is kept; undefined = start at the beginning. */
  readonly resumeAfter: Uint8Array | undefined
  /** Rejects with `SnapshotMismatch` if the chunk does not fit: the install can then only be aborted. */
  write(chunk: SnapshotChunk): Promise<void>
  /**
   * Verifies S, writes both superblocks, swaps the state. Resolves when durable: only then may it be acknowledged. Rejects with
   * `SnapshotMismatch`, nothing committed, if S is not the manifest's.
   */
  commit(): Promise<void>
  /**
   * Gives up: the state is what it was before, and entries are applied again; the same snapshot may be resumed later, unless it was
   * found not to fit. Rejects where that is impossible, because the commit has begun or the disk has failed: the state machine is to
   * be closed and opened again.
   */
  abort(): Promise<void>
}
