import { bytesToHex, encodeConfiguration, EntryKind, hexToBytes } from '../encoding/index.ts'
import type { Configuration, EntryBatch } from '../encoding/index.ts'
import { CheckpointSchedule, createLog, IdleMarker, openDataDirectory, openLog } from '../log/index.ts'
import type { DataDirectory, Log, LogOptions, Recovered } from '../log/index.ts'
import { createDatabase, QuorateError, ROOT_CALLER } from '../model/index.ts'
import type { Database, Head, SlowRequests } from '../model/index.ts'
import type { Platform } from '../platform/index.ts'
import { applyLog } from './apply-log.ts'
import { asDamaged } from './damaged-error.ts'
import { backupSource, backupToDirectory } from './backup/index.ts'
import type { BackupManifest, BackupOptions } from './backup/index.ts'
import { EngineLog } from './engine-log.ts'
import { requireEngineOptions } from './engine-options.ts'
import type { EngineOptions } from './engine-options.ts'
import { engineMetrics } from './engine-metrics.ts'
import type { EngineMetrics } from './engine-metrics.ts'
import { LocalCore } from './local-core.ts'
import { LOCAL_TERM, LocalSequencer } from './local-sequencer.ts'
import { LocalReads, LocalView } from './local-view.ts'
import { openStateMachine, requireContinuation, requireSuperblocks } from './open-state-machine.ts'
import { OwnSession } from './own-session.ts'
import type { EngineStateMachine } from './state-machine.ts'

/** The embedded database: one process, the same state machine and log as a cluster node (DESIGN 4). */
export interface Engine extends Database {
  /** Pins the newest state for reads that answer at once, without a promise. @throws QuorateError `view_limit`, `closed` */
  snapshot(options?: { caller?: string }): LocalView
  /** Reads that answer at once, each from the newest state; quicker than a view, and no writer does more because of them. */
  newest(options?: { caller?: string }): LocalReads
  /** Writes what changed since the last checkpoint; answers the seq that a restart begins from. */
  checkpoint(): Promise<number>
  /**
   * Writes a backup into `directory`, which is empty or not there yet, while writers go on: the state as it is now, and what is committed
   * until that is written. With `parent`, the directory of an earlier backup, only what has changed since. `restoreBackup` makes a data
   * directory of it. Rejects with QuorateError `invalid_argument` if the directory is not empty or the parent is of another history.
   */
  backup(directory: string, options?: BackupOptions): Promise<BackupManifest>
  /** What `head()` answers, at once. */
  readonly currentHead: Head
  /** Commits and queries that took long: set `thresholdMs` (at first Infinity: none), read `list()`, or be told by `onSlow`. */
  readonly slow: SlowRequests
  /** What this database has done since it was opened, and what it holds. */
  metrics(): EngineMetrics
  /** Makes everything acknowledged durable, whatever the durability. */
  flush(): void
}

const REPLAY_BYTES = 4 << 20
const GROUP_ID = 1
/** Larger ones save no processor time (bench/RESULTS.md), and two of them are always there. */
const SEGMENT_BYTES = 4 << 20
/** Nobody follows this log: only views of older seqs read its entries again. At most a sixteenth of the budget. */
const TAIL_CACHE_BYTES = 8 << 10
/** Smaller budgets have no room for it. */
const TAIL_BUDGET_MIN = 32 << 10

/**
 * Opens the database in `directory`, creating it where there is none; recovers what a crash left.
 * @throws QuorateError `invalid_argument`, `directory_locked` naming the holder, `damaged` naming file and offset, `storage_failed`; `seal_key_missing`,
 * `seal_key_wrong`, `not_sealed` if the keys are not the directory's
 */
export async function openEngine(directory: string, options: EngineOptions, platform: Platform): Promise<Engine> {
  requireEngineOptions(directory, options)
  const owned = await openDataDirectory({
    files: platform.files,
    random: platform.random,
    path: directory,
    groupId: GROUP_ID,
    durability: options.durability ?? 'full',
    pageBytes: options.pageBytes ?? 8192,
    ciphers: platform.ciphers,
    keys: options.keys,
  })
  const opening = new EngineOpening(owned, options, platform)
  try {
    return await opening.open()
  } catch (error) {
    await opening.giveUp()
    await owned.close(undefined)
    throw asDamaged(error)
  }
}

/** What an engine is made of. */
interface EngineParts {
  readonly core: LocalCore
  readonly machine: EngineStateMachine
  readonly sequencer: LocalSequencer
  readonly checkpoints: CheckpointSchedule
  readonly log: Log
}

/** The steps from a directory to a serving engine. */
class EngineOpening {
  readonly #directory: DataDirectory
  readonly #options: EngineOptions
  readonly #platform: Platform
  #failure: unknown
  /** How long it took to get to a state that can be read, and which. */
  #recovered: { readonly ms: number; readonly seq: number } = { ms: 0, seq: 0 }
  /** Entries of the log from which on backups under way need them. */
  readonly #held: Set<{ readonly firstSeq: number }> = new Set()
  /** Closes what is open so far, the oldest first. */
  readonly #opened: (() => unknown)[] = []

  constructor(directory: DataDirectory, options: EngineOptions, platform: Platform) {
    this.#directory = directory
    this.#options = options
    this.#platform = platform
  }

  async open(): Promise<Engine> {
    const { hotCacheBytes, inlineThresholdBytes } = this.#options
    const startMs = this.#platform.clock.monotonicMs()
    const { log, recovered } = await this.#openLog()
    requireUndamaged(recovered)
    if (!this.#directory.isNew) await this.#directory.begin()
    if (log.state === 'suspect') await log.setSuspectAside()
    const { machine } = await openStateMachine({
      files: this.#platform.files,
      clock: this.#platform.clock,
      timers: this.#platform.timers,
      directory: this.#directory.path,
      directoryId: this.#directory.identity.directoryId,
      groupId: GROUP_ID,
      pageBytes: this.#directory.identity.pageBytes,
      budgetBytes: this.#budgetBytes - this.#tailCacheBytes,
      seal: this.#directory.seal,
      ...(hotCacheBytes !== undefined && { hotCacheBytes }),
      ...(inlineThresholdBytes !== undefined && { inlineThresholdBytes }),
      // Known to nobody who does not read the disk.
      cursorSecret: hexToBytes(this.#directory.identity.directoryId),
    })
    this.#opened.push(() => machine.close())
    if (this.#directory.isNew) await this.#directory.completed()
    requireSuperblocks(machine, log, recovered)
    requireContinuation(machine, recovered)
    requireWholeLog(recovered, machine)
    if (recovered.suspect !== undefined) await resolveSuspect(log)
    requireOwn(machine, recovered, this.#directory.path)
    // To its end: in a group of one everything written is committed.
    await applyLog(machine, log)
    this.#recovered = { ms: this.#platform.clock.monotonicMs() - startMs, seq: machine.appliedSeq }
    return this.#start(machine, log)
  }

  /** The start has failed: nothing stays open, no timer runs on. */
  async giveUp(): Promise<void> {
    for (const close of this.#opened.toReversed()) {
      try {
        await close()
      } catch {
        // What made the start fail is what its caller hears.
      }
    }
  }

  get #tailCacheBytes(): number {
    return this.#budgetBytes < TAIL_BUDGET_MIN ? 0 : Math.min(TAIL_CACHE_BYTES, this.#budgetBytes >>> 4)
  }

  get #budgetBytes(): number {
    return this.#options.budgetBytes ?? 256 << 20
  }

  async #openLog(): Promise<{ log: Log; recovered: Recovered }> {
    const options: LogOptions = {
      files: this.#platform.files,
      threads: this.#platform.threads,
      directory: this.#directory.path,
      directoryId: hexToBytes(this.#directory.identity.directoryId),
      groupId: GROUP_ID,
      seal: this.#directory.seal,
      lane: 'inline',
      tailCacheBytes: this.#tailCacheBytes,
      onFailed: error => (this.#failure = error),
      segmentBytes: this.#options.segmentBytes ?? SEGMENT_BYTES,
      ...(this.#directory.closedAt !== undefined && { closedAt: this.#directory.closedAt }),
    }
    const opened = await (this.#directory.isNew ? createLog(options) : openLog(options))
    this.#opened.push(() => opened.log.close())
    return opened
  }

  async #start(machine: EngineStateMachine, log: Log): Promise<Engine> {
    const { clock, timers, random } = this.#platform
    const durability = this.#options.durability ?? 'full'
    const checkpoints = new CheckpointSchedule({
      machine,
      clock,
      timers,
      logBytes: this.#options.checkpointLogBytes ?? 64 << 20,
      ageMs: this.#options.checkpointAgeMs ?? 60_000,
      syncedThrough: () => sequencer.syncedThrough(),
      letGo: async () => {
        const held = Array.from(this.#held, ({ firstSeq }) => firstSeq)
        await log.dropSegmentsBefore(Math.min(machine.checkpointedSeq + 1, ...held))
      },
      onFailed: error => sequencer.fail(error),
    })
    this.#opened.push(() => checkpoints.close())
    const marker = new IdleMarker(log, timers)
    this.#opened.push(() => marker.stop())
    const sequencer = new LocalSequencer({
      machine,
      log: new EngineLog(log, checkpoints, marker, durability),
      clock,
      timers,
      durability,
      batchIntervalMs: this.#options.batchIntervalMs ?? 10,
      batchBytes: this.#options.batchBytes ?? 1 << 20,
      onFailed: error => (this.#failure ??= error),
      onApplied: nowMs => checkpoints.consider(nowMs),
    })
    machine.onStorageFailed = error => sequencer.fail(error)
    this.#opened.push(() => sequencer.close())
    const session = await this.#begin(sequencer, machine)
    const close = async (): Promise<void> => {
      await sequencer.close()
      await checkpoints.close()
      marker.stop()
      const isClean = sequencer.failure === undefined
      if (isClean) {
        log.mark()
        log.flushSync()
      }
      const closedAt = await log.close()
      await machine.close()
      await this.#directory.close(isClean ? closedAt : undefined)
    }
    const entries = (from: number, through: number): Promise<EntryBatch> => readThrough(log, from, through)
    const { views } = this.#options
    const core = new LocalCore({
      machine,
      sequencer,
      clock,
      timers,
      random,
      entries,
      session,
      close: once(close),
      views,
    })
    return this.#surface({ core, machine, sequencer, checkpoints, log })
  }

  /** What an embedded database has beyond `Database`. */
  #surface({ core, machine, sequencer, checkpoints, log }: EngineParts): Engine {
    const engine = Object.assign(createDatabase(core), {
      snapshot: ({ caller = ROOT_CALLER }: { caller?: string } = {}) => {
        return new LocalView(core.openLocalView(), caller)
      },
      newest: ({ caller = ROOT_CALLER }: { caller?: string } = {}) => {
        core.requireOpen()
        return new LocalReads(machine.newest, caller)
      },
      checkpoint: () => checkpoints.run(),
      backup: async (directory: string, options: BackupOptions = {}) => {
        core.requireOpen()
        const held = { firstSeq: log.base.seq + 1 }
        this.#held.add(held)
        try {
          return await backupToDirectory(this.#platform, backupSource(machine, log), directory, options)
        } finally {
          this.#held.delete(held)
        }
      },
      slow: core.slow,
      flush: () => sequencer.syncNow(),
      metrics: () => {
        const { count, lastDurationMs: lastMs } = checkpoints
        return engineMetrics({
          sequencer: sequencer.metrics,
          keyspace: machine.keyspaceStats,
          budgetBytes: this.#budgetBytes,
          logTailBytes: log.cachedBytes,
          logIndexBytes: log.memoryBytes - log.cachedBytes,
          inUse: machine.memory,
          checkpoints: { count, lastMs, seq: machine.newestCheckpointSeq },
          sessions: machine.sessionCount,
          counters: machine.counters,
          queries: core.queries,
          views: { open: core.views.open, oldestMs: core.views.oldestMs },
          head: sequencer.head,
          opening: this.#recovered,
          projects: machine.projectFigures(),
        })
      },
    })
    return Object.defineProperty(engine, 'currentHead', { get: () => sequencer.head }) as Engine
  }

  /** The first entries of a process: the group itself if it is new, a no-op of the only term, and this process' session. */
  async #begin(sequencer: LocalSequencer, machine: EngineStateMachine): Promise<OwnSession> {
    const { random } = this.#platform
    const configuration = machine.configuration
    if (configuration === undefined || this.#directory.wasCutOff) {
      // What was not synced may be gone: tokens that readers hold may name a past that never was, so the history is a new one.
      const historyId = bytesToHex(random.bytes(16))
      const next = configuration === undefined ? this.#groupOfOne(historyId) : { ...configuration, historyId }
      sequencer.propose(EntryKind.configuration, encodeConfiguration(next), undefined)
    }
    sequencer.propose(EntryKind.noop, new Uint8Array(0), undefined)
    const session = new OwnSession(machine, sequencer, random, this.#platform.clock)
    await session.open()
    return session
  }

  #groupOfOne(historyId: string): Configuration {
    const directoryId = this.#directory.identity.directoryId
    const self = { nodeId: 1, name: 'engine', peerAddress: '', clientAddress: '', directoryId }
    return { historyId, members: [self], voters: [1], outgoing: [], learners: [], learnersNext: [] }
  }
}

/** What a cluster has voted for and agreed on is not for one process to go on with: its entries would be of an earlier term. */
function requireOwn({ configuration }: EngineStateMachine, { hardState }: Recovered, directory: string): void {
  if (hardState.term <= LOCAL_TERM && (configuration?.members.length ?? 1) === 1) return
  throw new QuorateError(
    'invalid_argument',
    `${directory} belongs to a node of a cluster: restore a backup of it instead`,
  )
}

function requireUndamaged({ damage: [damage] }: Recovered): void {
  if (damage === undefined) return
  const message = `${damage.file} at ${damage.offset}: ${damage.what}`
  throw new QuorateError('damaged', message, { detail: { file: damage.file, offset: damage.offset } })
}

/**
 * A group of one has nobody to ask: what cannot be decided is kept aside (DESIGN 6). It may have announced the newest superblock, which a frame
 * says again before the log counts as whole.
 */
async function resolveSuspect(log: Log): Promise<void> {
  log.append({})
  await log.syncBeside()
  await log.resolveSuspect()
}

/** Damage is never hidden: a log that lost acknowledged bytes is not opened (DESIGN 6). */
function requireWholeLog(recovered: Recovered, machine: EngineStateMachine): void {
  const committed = Math.max(recovered.hardState.commitSeq, machine.appliedSeq)
  if (committed > recovered.lastSeq) {
    const message = `the log ends at ${recovered.lastSeq}, but ${committed} was committed: entries are missing`
    throw new QuorateError('damaged', message, { detail: { file: 'log', offset: 0 } })
  }
}

async function readThrough(log: Log, fromSeq: number, throughSeq: number): Promise<EntryBatch> {
  const parts: EntryBatch[] = []
  for (let next = fromSeq; next <= throughSeq;) {
    const part = await log.read(next, REPLAY_BYTES)
    parts.push(part)
    next = part.lastSeq + 1
  }
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.bytes.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part.bytes, at)
    at += part.bytes.length
  }
  return { firstSeq: fromSeq, lastSeq: parts.at(-1)?.lastSeq ?? fromSeq - 1, bytes }
}

function once<T>(task: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined
  return () => (result ??= task())
}
