import { bytesToHex, encodeConfiguration, hexToBytes } from '../../encoding/index.ts'
import type { Configuration } from '../../encoding/index.ts'
import { createLog, openDataDirectory, readIdentity } from '../../log/index.ts'
import type { ChainPoint, DataDirectory, Log } from '../../log/index.ts'
import { QuorateError } from '../../model/index.ts'
import type { SnapshotManifest } from '../../model/index.ts'
import { FileError } from '../../platform/index.ts'
import type { Files, Platform } from '../../platform/index.ts'
import type { ConfiguredKeys } from '../../sealing/index.ts'
import { LOCAL_TERM } from '../local-sequencer.ts'
import { openStateMachine, requireSuperblocks } from '../open-state-machine.ts'
import type { EngineStateMachine } from '../state-machine.ts'

export interface DirectorySizes {
  pageBytes?: 4096 | 8192 | 16384 | 32768
  /** Memory for it; default 256 MiB. */
  budgetBytes?: number
  /** What it is encrypted and signed with. */
  keys?: ConfiguredKeys
}

/** What a new data directory is to hold. */
export interface DirectoryPlan extends DirectorySizes {
  /** Of this copy of the disk; minted if not given. */
  readonly directoryId?: string
  /** Brings the empty state machine to the wanted state. */
  fill(machine: EngineStateMachine): Promise<void>
  /** The group that goes on with it, once it is filled; the history is its own. */
  group(directoryId: string, machine: EngineStateMachine): Configuration
  /** The highest seq that is known of the state's own history. */
  readonly highestSeq: number
}

const GROUP_ID = 1
const HISTORY_BYTES = 16
const BUDGET_BYTES = 256 << 20
/** How far above the highest known seq a restored history begins (DESIGN 2). */
const RESTORED_SEQS = 1_000_000

/**
 * Makes a data directory that begins a history of its own. Nothing of it counts before it is whole: an interrupted one is simply built again.
 * @throws QuorateError `invalid_argument` if `target` is in use; what `fill` throws
 */
export async function buildDirectory(
  platform: Platform,
  target: string,
  plan: DirectoryPlan,
): Promise<{ newSeq: number; historyId: string }> {
  const { files } = platform
  await requireUnused(files, target)
  const owned = await openDataDirectory({
    files,
    random: platform.random,
    path: target,
    groupId: GROUP_ID,
    durability: 'full',
    pageBytes: plan.pageBytes ?? 8192,
    ciphers: platform.ciphers,
    keys: plan.keys,
    ...(plan.directoryId !== undefined && { directoryId: plan.directoryId }),
  })
  const { directoryId } = owned.identity
  try {
    const built = await withMachine(platform, owned, plan, async (machine, log) => {
      await plan.fill(machine)
      const group = plan.group(directoryId, machine)
      const point = await beginHistory(machine, group, plan.highestSeq + RESTORED_SEQS)
      await log.startAfter(point)
      log.mark()
      log.flushSync()
      return { newSeq: point.seq, historyId: group.historyId }
    })
    await owned.completed()
    await owned.close(built.closedAt)
    return built.result
  } catch (error) {
    await owned.close(undefined).catch(() => undefined)
    throw error
  }
}

async function withMachine<T>(
  platform: Platform,
  { path, identity, seal }: DataDirectory,
  { budgetBytes = BUDGET_BYTES }: DirectorySizes,
  work: (machine: EngineStateMachine, log: Log) => Promise<T>,
): Promise<{ result: T; closedAt: Awaited<ReturnType<Log['close']>> }> {
  const { directoryId, pageBytes } = identity
  const common = { files: platform.files, directory: path, groupId: GROUP_ID, seal }
  const { log, recovered } = await createLog({
    ...common,
    threads: platform.threads,
    directoryId: hexToBytes(directoryId),
    lane: 'inline',
    segmentBytes: 4 << 20,
    // Nobody has voted: a group of one leads by itself, a larger one elects a leader of the next term.
    hardState: { term: LOCAL_TERM, votedFor: 0, commitSeq: 0 },
  })
  try {
    const cursorSecret = hexToBytes(directoryId)
    const { machine } = await openStateMachine({
      ...platform,
      ...common,
      directoryId,
      pageBytes,
      budgetBytes,
      cursorSecret,
    })
    let result: T
    try {
      requireSuperblocks(machine, log, recovered)
      result = await work(machine, log)
    } finally {
      await machine.close()
    }
    return { result, closedAt: await log.close() }
  } catch (error) {
    await log.close().catch(() => undefined)
    throw error
  }
}

/** The same state under a later number, of a history that nobody has seen. */
async function beginHistory(machine: EngineStateMachine, group: Configuration, seq: number): Promise<ChainPoint> {
  const source = machine.sourceSince(machine.appliedSeq)
  const { manifest } = source
  source.close()
  const again: SnapshotManifest = {
    ...manifest,
    historyId: group.historyId,
    term: LOCAL_TERM,
    seq,
    configuration: encodeConfiguration(group),
    sinceSeq: machine.appliedSeq,
  }
  const sink = await machine.beginInstall(again)
  await sink.commit()
  return { seq, term: LOCAL_TERM, chain: again.chain }
}

/** @throws QuorateError `invalid_argument` if anything but an interrupted restore is there */
export async function requireUnused(files: Files, target: string): Promise<void> {
  if (await isUsed(files, target)) throw new QuorateError('invalid_argument', `${target} is not empty`)
}

/** What file systems put into the root of a volume is nobody's. */
const OF_THE_VOLUME: ReadonlySet<string> = new Set(['lost+found'])

async function isUsed(files: Files, target: string): Promise<boolean> {
  try {
    const names = (await files.list(target)).filter(name => !OF_THE_VOLUME.has(name))
    if (!names.includes('identity.json')) return names.length > 0
  } catch (error) {
    if (error instanceof FileError && error.code === 'not_found') return false
    throw error
  }
  return (await readIdentity(files, target))?.isComplete === true
}

/** The group of an embedded database, whose history nobody has seen. */
export function newGroupOfOne({ random }: Pick<Platform, 'random'>, directoryId: string): Configuration {
  const historyId = bytesToHex(random.bytes(HISTORY_BYTES))
  const self = { nodeId: 1, name: 'engine', peerAddress: '', clientAddress: '', directoryId }
  return { historyId, members: [self], voters: [1], outgoing: [], learners: [], learnersNext: [] }
}
