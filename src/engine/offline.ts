import { decodeConfiguration, ENTRY_HEADER_BYTES, EntryKind, hexToBytes, readEntryHeader } from '../encoding/index.ts'
import { openDataDirectory, openLog, readIdentity } from '../log/index.ts'
import type { DataDirectory, Log, Recovered } from '../log/index.ts'
import { QuorateError } from '../model/index.ts'
import type { Platform } from '../platform/index.ts'
import type { ConfiguredKeys } from '../sealing/index.ts'
import { applyLog } from './apply-log.ts'
import { asDamaged } from './damaged-error.ts'
import { openStateMachine, requireContinuation, requireSuperblocks } from './open-state-machine.ts'
import type { EngineStateMachine } from './state-machine.ts'

export interface OfflineOptions {
  /** Applies no entry behind this one; default: everything that is certainly committed. */
  readonly throughSeq?: number
  readonly budgetBytes?: number
  /** What the directory is encrypted or signed with. */
  readonly keys?: ConfiguredKeys
}

/** The state of a directory that nobody serves, to be looked at. Its lock is held until `close`. */
export interface OfflineState {
  readonly machine: EngineStateMachine
  readonly log: Log
  /** The state is that of the newest checkpoint at the earliest. */
  readonly checkpointSeq: number
  /** Entries behind it may or may not be committed: other members know. */
  readonly committedSeq: number
  close(): Promise<void>
}

const GROUP_ID = 1
const BUDGET_BYTES = 256 << 20

/**
 * Opens the directory of an embedded database or of a cluster's node without going on with it: no entry is added, no checkpoint taken, and what
 * a later start finds is what it would have found. What a crash has torn is cut off, as any start does.
 * @throws QuorateError `not_found` if it is no data directory; `damaged` naming file and offset; `seq_unavailable` with what can be had;
 * FileError `directory_locked` naming the holder
 */
export async function openOffline(
  directory: string,
  platform: Platform,
  options: OfflineOptions = {},
): Promise<OfflineState> {
  const { files, random, ciphers } = platform
  const { keys } = options
  const identity = await readIdentity(files, directory).catch((error: unknown) => {
    throw asDamaged(error)
  })
  if (identity?.isComplete !== true) throw new QuorateError('not_found', `${directory} is no data directory`)
  const { durability, pageBytes } = identity
  const place = { files, random, ciphers, path: directory, groupId: GROUP_ID }
  const owned = await openDataDirectory({ ...place, durability, pageBytes, keys })
  const opened: (() => Promise<unknown>)[] = [() => owned.close(undefined)]
  const close = async (): Promise<void> => {
    for (const each of opened.splice(0).toReversed()) await each()
  }
  try {
    return { ...(await openIn(owned, platform, options, opened)), close }
  } catch (error) {
    await close().catch(() => undefined)
    throw asDamaged(error)
  }
}

async function openIn(
  owned: DataDirectory,
  platform: Platform,
  { throughSeq, budgetBytes = BUDGET_BYTES }: OfflineOptions,
  opened: (() => Promise<unknown>)[],
): Promise<Omit<OfflineState, 'close'>> {
  const { files, threads, clock, timers } = platform
  const { directoryId, pageBytes } = owned.identity
  const { log, recovered } = await openLog({
    files,
    threads,
    directory: owned.path,
    directoryId: hexToBytes(directoryId),
    groupId: GROUP_ID,
    seal: owned.seal,
    lane: 'inline',
    ...(owned.closedAt !== undefined && { closedAt: owned.closedAt }),
  })
  opened.push(() => log.close())
  requireUndamaged(recovered)
  const { machine } = await openStateMachine({
    files,
    clock,
    timers,
    directory: owned.path,
    directoryId,
    groupId: GROUP_ID,
    seal: owned.seal,
    pageBytes,
    budgetBytes,
    cursorSecret: hexToBytes(directoryId),
  })
  opened.push(() => machine.close())
  requireSuperblocks(machine, log, recovered)
  const checkpointSeq = machine.appliedSeq
  const committedSeq = committedIn(machine, log, recovered, await isAlone(machine, log))
  requireContinuation(machine, recovered)
  const through = throughSeq ?? committedSeq
  if (through < checkpointSeq || through > committedSeq) {
    const message = `${owned.path} has the states of ${checkpointSeq} to ${committedSeq}, not that of ${through}`
    throw new QuorateError('seq_unavailable', message, {
      detail: { oldestSeq: checkpointSeq, newestSeq: committedSeq },
    })
  }
  await applyLog(machine, log, through)
  return { machine, log, checkpointSeq, committedSeq }
}

/** What is certainly committed: for a group of one all that its log has, otherwise what the log says of it. */
function committedIn(machine: EngineStateMachine, log: Log, { hardState }: Recovered, isGroupOfOne: boolean): number {
  const { appliedSeq, appliedTerm: term, appliedChain: chain } = machine
  // After an install of another past the entries of the log are void (DESIGN 5).
  if (machine.isInstalled && !log.holds({ seq: appliedSeq, term, chain })) return appliedSeq
  const known = isGroupOfOne ? log.lastSeq : Math.min(hardState.commitSeq, log.lastSeq)
  return Math.max(appliedSeq, known)
}

/** A group of one commits by its own log. Before the first checkpoint the first entry of the log says who belongs to the group. */
async function isAlone({ configuration }: EngineStateMachine, log: Log): Promise<boolean> {
  if (configuration !== undefined) return configuration.members.length === 1
  if (log.lastSeq === log.base.seq) return false
  const { bytes } = await log.read(log.base.seq + 1, 1)
  const { kind, length } = readEntryHeader(bytes, 0, bytes.length)
  if (kind !== EntryKind.configuration) return false
  return decodeConfiguration(bytes.slice(ENTRY_HEADER_BYTES, length)).members.length === 1
}

function requireUndamaged({ damage: [first] }: Recovered): void {
  if (first === undefined) return
  const { file, offset, what } = first
  throw new QuorateError('damaged', `${file} at ${offset}: ${what}`, { detail: { file, offset } })
}
