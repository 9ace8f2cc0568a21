import { hexToBytes } from '../encoding/index.ts'
import { openStateMachine, requireContinuation, requireSuperblocks } from '../engine/index.ts'
import type { EngineStateMachine, KeyspaceMutants, StateMachineTuning } from '../engine/index.ts'
import { createLog, openDataDirectory, openLog } from '../log/index.ts'
import type { DataDirectory, Log, LogOptions, PageBytes, Recovered } from '../log/index.ts'
import { QuorateError } from '../model/index.ts'
import { waitAtMost } from '../platform/index.ts'
import type { Platform } from '../platform/index.ts'
import { FenceFile, Replica } from '../raft/index.ts'
import type { ConfiguredKeys } from '../sealing/index.ts'
import type { LogHearer, MemberAddress, ReplicaOptions, RequestLimits, ShippingLimits } from '../raft/index.ts'

export interface StorageOptions {
  pageBytes: PageBytes
  /** Memory for pages, large values, the catalog and copies of sessions. */
  budgetBytes: number
  segmentBytes: number
  /** Where log writes are made: on the main thread, or in a worker. */
  lane: 'inline' | 'worker'
  checkpointLogBytes: number
  checkpointAgeMs: number
  /** Log kept for peers that lag, beyond what recovery needs; default 256 MiB. */
  lagLogBytes?: number
  /** Of snapshots to and from peers; defaults of `raft/snapshot-shipping` and of the keyspace. */
  snapshotLimits?: Partial<ShippingLimits>
  installProgressBytes?: number
}

export const DEFAULT_STORAGE: StorageOptions = {
  pageBytes: 8192,
  budgetBytes: 256 << 20,
  segmentBytes: 16 << 20,
  lane: 'worker',
  checkpointLogBytes: 128 << 20,
  checkpointAgeMs: 60_000,
}

export interface ReplicaNodeOptions {
  platform: Platform
  directory: string
  name: string
  /** The same ordered list on all nodes. */
  members: readonly MemberAddress[]
  /** The secret of the cluster: signs cursors of queries. */
  cursorSecret?: Uint8Array
  createTransport: ReplicaOptions['createTransport']
  onRefusal?: ReplicaOptions['onRefusal']
  onFence?: ReplicaOptions['onFence']
  onDispute?: ReplicaOptions['onDispute']
  requestLimits?: Partial<RequestLimits>
  storage: StorageOptions
  /** What the directory is encrypted and signed with. */
  keys?: ConfiguredKeys | undefined
  /** The replica has stopped for good. */
  onFatal: (error: Error) => void
  /** Shown the state machine before anything is applied. */
  onMachine?: (machine: EngineStateMachine) => void
  /** What comes next of the opening. */
  onStep?: (step: OpeningStep) => void
  /** How much of the log has been read again at the start, 0 to 1. */
  onLogRead?: (share: number) => void
  /** Of the state machine, for tests only. */
  tuning?: StateMachineTuning
  /** Planted bugs of the keyspace; tests only. */
  keyspaceMutants?: KeyspaceMutants
}

/** Taking the directory, opening its log, opening its pages, and the replica: reading the entries of the log, then opening the links. */
export type OpeningStep = 'directory' | 'log' | 'pages' | 'replica'

/** A replica with everything below it, on one data directory. */
export interface ReplicaNode {
  readonly replica: Replica
  readonly machine: EngineStateMachine
  readonly log: Log
  readonly directory: DataDirectory
  close(): Promise<void>
}

const GROUP_ID = 1
const CLOSING_CHECKPOINT_MS = 5_000

/**
 * Opens a data directory (creating it where there is none) and starts its replica.
 * @throws QuorateError `damaged` naming file and offset; FileError `directory_locked` naming the holder
 */
export async function openReplicaNode(options: ReplicaNodeOptions): Promise<ReplicaNode> {
  const { platform, directory: path, storage } = options
  const { files, random } = platform
  const { pageBytes } = storage
  const { ciphers } = platform
  options.onStep?.('directory')
  const identified = { files, random, ciphers, path, groupId: GROUP_ID, pageBytes }
  const directory = await openDataDirectory({ ...identified, durability: 'full', keys: options.keys })
  const opened: (() => Promise<unknown>)[] = []
  try {
    return await openInDirectory(options, directory, opened)
  } catch (error) {
    for (const close of opened.toReversed()) await close().catch(() => undefined)
    await directory.close(undefined)
    throw error
  }
}

async function openInDirectory(
  options: ReplicaNodeOptions,
  directory: DataDirectory,
  opened: (() => Promise<unknown>)[],
): Promise<ReplicaNode> {
  const { platform, storage, name, members, createTransport, onFatal } = options
  const { clock, timers, random } = platform
  const started: { replica?: LogHearer } = {}
  options.onStep?.('log')
  const { log, recovered } = await openOrCreateLog(options, directory, {
    onSynced: ioSeq => started.replica?.logSynced(ioSeq),
    onFailed: error => started.replica?.logFailed(error),
  })
  opened.push(() => log.close())
  requireUsable(recovered)
  if (!directory.isNew) await directory.begin()
  // The bytes that cannot be decided are kept aside; the replica stays suspect until a leader has re-supplied the place (W6).
  if (log.state === 'suspect') await log.setSuspectAside()
  options.onStep?.('pages')
  const { machine } = await openMachine(options, directory)
  opened.push(() => machine.close())
  options.onMachine?.(machine)
  if (directory.isNew) await directory.completed()
  requireSuperblocks(machine, log, recovered)
  requireContinuation(machine, recovered)
  const fenceFile = await FenceFile.open(platform.files, directory.path)
  if (machine.isInstalled) {
    await fenceFile.installedAt(machine.appliedSeq)
    // The install may have been the last thing before a crash: what the log holds of another past, or of an earlier one, is void.
    await log.voidAfterInstall({ seq: machine.appliedSeq, term: machine.appliedTerm, chain: machine.appliedChain })
  }
  const { directoryId } = directory.identity
  options.onStep?.('replica')
  const replica = await Replica.start({
    name,
    members,
    directoryId,
    log,
    recovered,
    machine,
    fenceFile,
    createTransport,
    onRefusal: options.onRefusal,
    onFence: options.onFence,
    onDispute: options.onDispute,
    clock,
    timers,
    random,
    groupId: GROUP_ID,
    isInline: storage.lane === 'inline',
    checkpointLogBytes: storage.checkpointLogBytes,
    checkpointAgeMs: storage.checkpointAgeMs,
    ...(storage.lagLogBytes !== undefined && { lagLogBytes: storage.lagLogBytes }),
    ...(storage.snapshotLimits !== undefined && { snapshotLimits: storage.snapshotLimits }),
    ...(options.requestLimits !== undefined && { requestLimits: options.requestLimits }),
    onFatal,
    ...(options.onLogRead !== undefined && { onLogRead: options.onLogRead }),
    onStarted: self => (started.replica = self),
  })
  return {
    replica,
    machine,
    log,
    directory,
    async close(): Promise<void> {
      // The next start then has nothing to apply again. It must not hold up the stop: an install in its way may never end.
      const hasFailed = replica.failure !== undefined
      if (!hasFailed) {
        await waitAtMost(timers, CLOSING_CHECKPOINT_MS, replica.checkpoint())
      }
      await replica.close()
      const closedAt = await log.close()
      await machine.close()
      // After a failure nobody knows where the log ought to end.
      await directory.close(hasFailed ? undefined : closedAt)
    },
  }
}

function openMachine(options: ReplicaNodeOptions, directory: DataDirectory): ReturnType<typeof openStateMachine> {
  const { platform, storage } = options
  return openStateMachine({
    files: platform.files,
    clock: platform.clock,
    timers: platform.timers,
    directory: directory.path,
    directoryId: directory.identity.directoryId,
    groupId: GROUP_ID,
    pageBytes: directory.identity.pageBytes,
    budgetBytes: storage.budgetBytes,
    seal: directory.seal,
    ...(options.cursorSecret !== undefined && { cursorSecret: options.cursorSecret }),
    ...(storage.installProgressBytes !== undefined && { installProgressBytes: storage.installProgressBytes }),
    ...(options.tuning !== undefined && { tuning: options.tuning }),
    ...(options.keyspaceMutants !== undefined && { mutants: options.keyspaceMutants }),
  })
}

async function openOrCreateLog(
  { platform, storage }: ReplicaNodeOptions,
  directory: DataDirectory,
  handlers: Pick<LogOptions, 'onSynced' | 'onFailed'>,
): Promise<{ log: Log; recovered: Recovered }> {
  const options: LogOptions = {
    files: platform.files,
    threads: platform.threads,
    directory: directory.path,
    directoryId: hexToBytes(directory.identity.directoryId),
    groupId: GROUP_ID,
    seal: directory.seal,
    lane: storage.lane,
    segmentBytes: storage.segmentBytes,
    clock: platform.clock,
    ...(directory.closedAt !== undefined && { closedAt: directory.closedAt }),
    ...handlers,
  }
  return directory.isNew ? createLog(options) : openLog(options)
}

/** Until damage can be repaired from peers, a damaged log is not served from (promise 6). */
function requireUsable({ damage, isVoteCertain }: Recovered): void {
  const [first] = damage
  if (first !== undefined) {
    const { file, offset, what } = first
    throw new QuorateError('damaged', `${file} at ${offset}: ${what}`, { detail: { file, offset } })
  }
  if (!isVoteCertain)
    throw new QuorateError('damaged', 'a vote may have been lost: this directory needs a new identity')
}
