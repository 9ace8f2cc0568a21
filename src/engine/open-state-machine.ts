import { QuorateError } from '../model/index.ts'
import type { DurableState, Log, Recovered, SuperblockProof } from '../log/index.ts'
import type { Clock, Files, Timers } from '../platform/index.ts'
import type { Seal } from '../sealing/index.ts'
import { asDamaged } from './damaged-error.ts'
import { ChangeFiles } from './events/index.ts'
import { requireKnownLevel } from './feature-level.ts'
import { inspectKeyspace, Keyspace } from './keyspace/index.ts'
import type { InspectedRegion, KeyspaceOptions, Mutants, SalvageOptions } from './keyspace/index.ts'
import { KeyspaceReader, loadLater } from './keyspace-store.ts'
import { checkInvariants } from './invariants/index.ts'
import type { Inconsistency } from './invariants/index.ts'
import { spaceLength } from './layers.ts'
import { GAP_BYTES, GAP_ENTRIES } from './replay.ts'
import { SLOTTED_RECORDS } from './sessions/index.ts'
import type { Surroundings } from './machine-parts.ts'
import { Slice } from './slice.ts'
import { EngineStateMachine } from './state-machine.ts'
import type { StateMachineTuning } from './machine-parts.ts'

/** Roots kept for reads at older seqs (`max_versions`), and for how long, when nothing holds them. */
const ROOTS_MAX = 64
const ROOT_AGE_MS_MAX = 60_000

const NO_SECRET = new Uint8Array(0)

export interface StateMachineOptions {
  files: Files
  /** The data directory; `pages/` and `changes/` below it are the state machine's. */
  directory: string
  /** Identity of this copy of the disk, 32 hexadecimal digits. */
  directoryId: string
  groupId: number
  /** Of a new directory; an existing one keeps its own. */
  pageBytes: 4096 | 8192 | 16384 | 32768
  /** What pages and large values may occupy in memory. */
  budgetBytes: number
  /** How much of that large values may take; default a quarter. */
  hotCacheBytes?: number
  /** Values above lie apart from the pages; at least an eighth of a page, for each takes whole pages. Default: what a leaf has no room for. */
  inlineThresholdBytes?: number
  /** For how long old roots are kept, and how long work beside apply holds the loop: apply knows no clock. */
  clock: Clock
  timers: Pick<Timers, 'endOfTurn'>
  /** What cursors of queries are signed with; the same on all nodes of a cluster. Without it the history id is all there is to know. */
  cursorSecret?: Uint8Array
  /** How many bytes an install writes from one record of its progress to the next. */
  installProgressBytes?: number
  /** Encrypts and signs what is in it. */
  seal?: Seal | undefined
  /** For tests only. */
  tuning?: StateMachineTuning
  /** Planted bugs of the keyspace; tests only. */
  mutants?: Mutants
}

/**
 * The state of a directory as of its newest durable root, an empty one if there is none yet. The log after `appliedSeq` is to be
 * applied next. Rejects with QuorateError `damaged` where superblocks or maps are, with `FileError` where the disk fails.
 */
export async function openStateMachine(options: StateMachineOptions): Promise<{ machine: EngineStateMachine }> {
  const { files, directory } = options
  const keyspace = await openOrCreate(keyspaceOptions(options))
  const superblock = keyspace.superblocks[0]!
  const { seq, entryChain } = superblock
  let changes: ChangeFiles | undefined
  try {
    requireKnownLevel(superblock.featureLevel, directory)
    changes = await ChangeFiles.open(files, `${directory}/changes`, seq, entryChain, options.seal)
    return {
      machine: await EngineStateMachine.load(keyspace, changes, superblock, surroundingsOf(options), options.tuning),
    }
  } catch (error) {
    await changes?.close()
    await keyspace.close()
    throw asDamaged(error)
  }
}

/**
 * The state of a directory in which anything may be wrong, as far as it can be read. Nothing but pages that nobody has is written.
 * Rejects with `PageDamage` or QuorateError `damaged` where nothing can be read.
 */
export async function openForSalvage(
  options: StateMachineOptions,
  salvage: SalvageOptions,
): Promise<{ machine: EngineStateMachine; isWhole: boolean }> {
  const { files } = options
  const { keyspace, superblock, isWhole } = await Keyspace.salvage(keyspaceOptions(options), salvage)
  try {
    const changes = ChangeFiles.inMemory(files, superblock.seq)
    return { machine: await EngineStateMachine.load(keyspace, changes, superblock, surroundingsOf(options)), isWhole }
  } catch (error) {
    await keyspace.close()
    throw asDamaged(error)
  }
}

/**
 * Once the log is open: no superblock is older than the log knows, bad without a loss of power being the reason (a torn one is, docs/adr/
 * 0003-torn-or-damaged.md), or below what the log still has. From now on the log hears of every superblock.
 * @throws QuorateError `damaged` naming file and offset
 */
export function requireSuperblocks(machine: EngineStateMachine, log: Log, recovered: Recovered): void {
  try {
    machine.superviseSuperblocks(recovered.superblock, log)
  } catch (error) {
    throw asDamaged(error)
  }
}

/**
 * The log, as it was found, goes on from the state: no entry between them is missing (DESIGN 5), and it has the one after which the newest
 * checkpoint was made. To be asked before what an install has made void is done away with.
 * @throws QuorateError `damaged` naming file and offset
 */
export function requireContinuation(machine: EngineStateMachine, recovered: Recovered): void {
  const { appliedSeq: seq, appliedTerm: term, appliedChain: chain, isInstalled } = machine
  const damage = recovered.damageBehind({ seq, term, chain, isInstalled })
  if (damage === undefined) return
  const { file, offset, what } = damage
  throw new QuorateError('damaged', `${file} at ${offset}: ${what}`, { detail: { file, offset } })
}

function surroundingsOf({ clock, timers, cursorSecret = NO_SECRET, budgetBytes }: StateMachineOptions): Surroundings {
  return { newSlice: () => new Slice(clock, timers), cursorSecret, budgetBytes }
}

function keyspaceOptions(options: Omit<StateMachineOptions, 'timers'>): KeyspaceOptions {
  const { files, directory, clock, directoryId, groupId, pageBytes, budgetBytes } = options
  return {
    files,
    directory: `${directory}/pages`,
    pageBytes,
    budgetBytes,
    retention: {
      maxVersions: ROOTS_MAX,
      maxAgeMs: ROOT_AGE_MS_MAX,
      now: () => clock.monotonicMs(),
      gapEntries: GAP_ENTRIES,
      gapBytes: GAP_BYTES,
    },
    spaceLength,
    slotted: SLOTTED_RECORDS,
    seal: options.seal,
    identity: { historyId: new Uint8Array(16), groupId, directoryId: hexBytes(directoryId) },
    ...(options.hotCacheBytes !== undefined && { hotCacheBytes: options.hotCacheBytes }),
    ...(options.inlineThresholdBytes !== undefined && {
      inlineThresholdBytes: Math.max(options.inlineThresholdBytes, pageBytes >>> 3),
    }),
    ...(options.installProgressBytes !== undefined && { installProgressBytes: options.installProgressBytes }),
    ...(options.mutants !== undefined && { mutants: options.mutants }),
  }
}

/**
 * Reads all pages and values of a directory that is not open, changes nothing, and calls `onRegion` for each place: `quorate check
 * data`. `proof` is what the log says of the superblocks. Resolves to the state that an opening would go on from, if there is one. Rejects
 * with `FileError` where the disk fails.
 */
export async function inspectState(
  options: Omit<StateMachineOptions, 'timers'>,
  proof: SuperblockProof,
  onRegion: (region: InspectedRegion) => void,
): Promise<DurableState | undefined> {
  const newest = await inspectKeyspace(keyspaceOptions(options), proof, onRegion)
  if (newest === undefined) return undefined
  const { seq, term, entryChain: chain, kind } = newest
  return { seq, term, chain, isInstalled: kind === 'install' }
}

/**
 * Checks what must hold between the records of a directory's newest checkpoint, whose pages `inspectState` has found sound; changes nothing.
 * Rejects with `FileError` where the disk fails.
 */
export async function inspectInvariants(
  options: Omit<StateMachineOptions, 'timers'>,
): Promise<{ found: readonly Inconsistency[]; count: number }> {
  const salvage = { base: 'newest', onDamage: () => undefined, isInspected: true } as const
  const { keyspace, superblock } = await Keyspace.salvage(keyspaceOptions(options), salvage)
  try {
    using view = keyspace.view()
    const reader = new KeyspaceReader(view.reader, loadLater(keyspace))
    const { named, count } = await checkInvariants(reader, superblock.leaderTimeMicros)
    return { found: named, count }
  } finally {
    await keyspace.close()
  }
}

/** The same of the newest state of a machine that runs, to which nothing is applied meanwhile: for tests. */
export async function findInconsistencies(
  machine: EngineStateMachine,
): Promise<{ found: readonly Inconsistency[]; count: number }> {
  const { named, count } = await machine.readNewest(reader => checkInvariants(reader, machine.leaderTimeMicros))
  return { found: named, count }
}

async function openOrCreate(options: KeyspaceOptions): Promise<Keyspace> {
  const { files, directory } = options
  if ((await files.size(`${directory}/data`)) === undefined) return Keyspace.create(options)
  try {
    return (await Keyspace.open(options)).keyspace
  } catch (error) {
    throw asDamaged(error)
  }
}

function hexBytes(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16))
}
