import { bytesToHex, encodeConfiguration, hexToBytes, readEntryHeader } from '../../encoding/index.ts'
import type { EntryBatch } from '../../encoding/index.ts'
import { createLog, openDataDirectory, readIdentity } from '../../log/index.ts'
import type { ChainPoint, Log } from '../../log/index.ts'
import { QuorateError, SnapshotMismatch } from '../../model/index.ts'
import type { SnapshotManifest } from '../../model/index.ts'
import type { Platform } from '../../platform/index.ts'
import { openStateMachine, requireSuperblocks } from '../open-state-machine.ts'
import type { EngineStateMachine } from '../state-machine.ts'
import { damaged, ENTRIES, IMAGES, readManifest, snapshotOf } from './manifest.ts'
import type { BackupManifest } from './manifest.ts'
import { readRecords, verifyFile } from './record-file.ts'

export interface RestoreOptions {
  /** Restores the state right after this entry; default: the end of the last backup. */
  seq?: number
  /** ... or after the last entry whose leader time is not later than this, us. */
  timeMicros?: number
  /** Of the backups' manifests. */
  key?: Uint8Array
  pageBytes?: 4096 | 8192 | 16384 | 32768
  /** Memory for it; default 256 MiB. */
  budgetBytes?: number
}

export interface Restored {
  /** What was restored to, as it was numbered in the history of the backup. */
  readonly seq: number
  /** The newest seq of the restored directory, and its history: tokens of the old one are refused (`history_changed`). */
  readonly newSeq: number
  readonly historyId: string
}

export interface FoundBackup {
  readonly directory: string
  readonly manifest: BackupManifest
}

const GROUP_ID = 1
const LOCAL_TERM = 1
/** How far above the highest known seq a restored history begins (DESIGN 2). */
const RESTORED_SEQS = 1_000_000

/**
 * Compares every file of a backup with its manifest, and every record with its checksum.
 * @throws QuorateError as `readManifest`; `damaged` naming the file
 */
export async function verifyBackup(
  { files }: Pick<Platform, 'files'>,
  directory: string,
  key?: Uint8Array,
): Promise<BackupManifest> {
  const manifest = await readManifest(files, directory, key)
  const described = { [IMAGES]: manifest.files.images, [ENTRIES]: manifest.files.entries }
  for (const [name, file] of Object.entries(described)) {
    await verifyFile(files, `${directory}/${name}`, file)
    for await (const record of readRecords(files, `${directory}/${name}`, file)) void record
  }
  return manifest
}

/** The finished backups right below `root`, or in it, by the time they were taken. Their files are not looked at. */
export async function listBackups(
  { files }: Pick<Platform, 'files'>,
  root: string,
  key?: Uint8Array,
): Promise<FoundBackup[]> {
  const found: FoundBackup[] = []
  for (const name of ['', ...(await files.list(root))]) {
    const directory = name === '' ? root : `${root}/${name}`
    try {
      found.push({ directory, manifest: await readManifest(files, directory, key) })
    } catch (error) {
      if (!(error instanceof QuorateError) || error.code !== 'not_found') throw error
    }
  }
  return found.toSorted((a, b) => a.manifest.takenAtMicros - b.manifest.takenAtMicros)
}

/**
 * Makes a data directory of a full backup and the incremental ones that continue it, given in that order. It begins a history of its own, a
 * group of one, in an empty directory or one that is not there yet. Nothing of it counts before it is whole; an interrupted restore may simply be repeated.
 * @throws QuorateError `invalid_argument` if these are no chain or the directory is not empty; `seq_unavailable` with what can be restored;
 * `damaged` naming the file
 */
export async function restoreBackup(
  platform: Platform,
  backups: readonly string[],
  target: string,
  options: RestoreOptions = {},
): Promise<Restored> {
  const { files } = platform
  const chain: FoundBackup[] = []
  for (const directory of backups) {
    chain.push({ directory, manifest: await verifyBackup(platform, directory, options.key) })
  }
  requireChain(chain)
  const seq = await targetSeq(platform, chain, options)
  const base = chain.findLastIndex(({ manifest }) => manifest.state.seq <= seq)
  if (base < 0) throw unavailable(chain, seq)
  if (await isUsed(platform, target)) throw new QuorateError('invalid_argument', `${target} is not empty`)
  const owned = await openDataDirectory({
    files,
    random: platform.random,
    path: target,
    groupId: GROUP_ID,
    durability: 'full',
    pageBytes: options.pageBytes ?? 8192,
  })
  const directoryId = owned.identity.directoryId
  const hardState = { term: LOCAL_TERM, votedFor: 1, commitSeq: 0 }
  const common = { files, threads: platform.threads, directory: target, groupId: GROUP_ID }
  const { log, recovered } = await createLog({
    ...common,
    directoryId: hexToBytes(directoryId),
    lane: 'inline',
    segmentBytes: 4 << 20,
    hardState,
  })
  try {
    const { machine } = await openStateMachine({
      ...platform,
      directory: target,
      directoryId,
      groupId: GROUP_ID,
      pageBytes: owned.identity.pageBytes,
      budgetBytes: options.budgetBytes ?? 256 << 20,
      cursorSecret: hexToBytes(directoryId),
    })
    try {
      requireSuperblocks(machine, log, recovered)
      const restoring = new Restoring(platform, machine, chain, base)
      await restoring.run(seq)
      const restored = await restoring.beginHistory(directoryId)
      await log.startAfter(restored.point)
      log.mark()
      log.flushSync()
      const closedAt = await closeBoth(log, machine)
      await owned.completed()
      await owned.close(closedAt)
      return { seq, newSeq: restored.point.seq, historyId: restored.historyId }
    } catch (error) {
      await machine.close().catch(() => undefined)
      throw error
    }
  } catch (error) {
    await log.close().catch(() => undefined)
    await owned.close(undefined).catch(() => undefined)
    throw error
  }
}

async function closeBoth(log: Log, machine: EngineStateMachine): ReturnType<Log['close']> {
  await machine.close()
  return log.close()
}

async function isUsed({ files }: Platform, target: string): Promise<boolean> {
  try {
    const names = await files.list(target)
    if (!names.includes('identity.json')) return names.length > 0
  } catch {
    return false
  }
  return (await readIdentity(files, target))?.isComplete === true
}

function requireChain(chain: readonly FoundBackup[]): void {
  if (chain.length === 0) throw new QuorateError('invalid_argument', 'a restore needs a backup')
  for (const [i, { directory, manifest }] of chain.entries()) {
    const before = chain[i - 1]?.manifest
    const isNext = before === undefined ? manifest.type === 'full' : manifest.parentId === before.backupId
    if (isNext) continue
    const what = before === undefined ? 'is no full backup' : 'does not continue the backup before it'
    throw new QuorateError('invalid_argument', `${directory} ${what}`)
  }
}

/** The entry after which the state is wanted. */
async function targetSeq(platform: Platform, chain: readonly FoundBackup[], options: RestoreOptions): Promise<number> {
  const { seq, timeMicros } = options
  const last = chain.at(-1)!.manifest.head
  if (seq !== undefined && timeMicros !== undefined) {
    throw new QuorateError('invalid_argument', 'a restore is to a seq or to a time')
  }
  if (seq !== undefined) {
    if (seq > last.seq) throw unavailable(chain, seq)
    return seq
  }
  if (timeMicros === undefined || timeMicros >= last.leaderTimeMicros) return last.seq
  let found = 0
  for (const { directory, manifest } of chain) {
    if (manifest.state.leaderTimeMicros <= timeMicros) found = Math.max(found, manifest.state.seq)
    for await (const bytes of readRecords(platform.files, `${directory}/${ENTRIES}`, manifest.files.entries)) {
      for (let at = 0; at < bytes.length;) {
        const header = readEntryHeader(bytes, at, bytes.length)
        if (header.leaderTimeMicros <= timeMicros) found = Math.max(found, header.seq)
        at += header.length
      }
    }
  }
  return found
}

function unavailable(chain: readonly FoundBackup[], seq: number): QuorateError {
  const [oldestSeq, newestSeq] = [chain[0]!.manifest.state.seq, chain.at(-1)!.manifest.head.seq]
  const message = `${seq} cannot be restored: these backups reach from ${oldestSeq} to ${newestSeq}`
  return new QuorateError('seq_unavailable', message, { detail: { oldestSeq, newestSeq } })
}

/** Fills an empty state machine from a chain of backups. */
class Restoring {
  readonly #platform: Platform
  readonly #machine: EngineStateMachine
  readonly #chain: readonly FoundBackup[]
  /** The last backup whose images count. */
  readonly #base: number

  constructor(platform: Platform, machine: EngineStateMachine, chain: readonly FoundBackup[], base: number) {
    this.#platform = platform
    this.#machine = machine
    this.#chain = chain
    this.#base = base
  }

  async run(seq: number): Promise<void> {
    for (const backup of this.#chain.slice(0, this.#base + 1)) await this.#install(backup)
    for (const backup of this.#chain.slice(this.#base))
      if (this.#machine.appliedSeq < seq) await this.#apply(backup, seq)
    if (this.#machine.appliedSeq < seq) throw unavailable(this.#chain, seq)
    const last = this.#chain.find(({ manifest }) => manifest.head.seq === seq)
    if (last !== undefined && last.manifest.head.chain !== this.#machine.appliedChain) {
      throw damaged(`${last.directory}/${ENTRIES}`, 'the entries are not those that led to this state')
    }
  }

  async #install({ directory, manifest }: FoundBackup): Promise<void> {
    const path = `${directory}/${IMAGES}`
    const sink = await this.#machine.beginInstall(snapshotOf(manifest))
    try {
      for await (const bytes of readRecords(this.#platform.files, path, manifest.files.images)) {
        await sink.write({ bytes, fence: NO_FENCE })
      }
      await sink.commit()
    } catch (error) {
      if (error instanceof SnapshotMismatch) throw damaged(path, error.message, 0, error)
      throw error
    }
  }

  /** The entries of one backup that follow what there is, through `seq`. */
  async #apply({ directory, manifest }: FoundBackup, seq: number): Promise<void> {
    const path = `${directory}/${ENTRIES}`
    for await (const bytes of readRecords(this.#platform.files, path, manifest.files.entries)) {
      const batch = cut(bytes, seq)
      if (batch === undefined) return
      if (batch.lastSeq <= this.#machine.appliedSeq) continue
      if (batch.firstSeq > this.#machine.appliedSeq + 1) throw unavailable(this.#chain, seq)
      while (this.#machine.appliedSeq < batch.lastSeq) {
        const { cold } = this.#machine.apply(batch, () => false)
        if (cold !== undefined) await cold
      }
    }
  }

  /** The same state under a later number, of a history that nobody has seen. */
  async beginHistory(directoryId: string): Promise<{ point: ChainPoint; historyId: string }> {
    const machine = this.#machine
    const source = machine.sourceSince(machine.appliedSeq)
    const { manifest } = source
    source.close()
    const historyId = bytesToHex(this.#platform.random.bytes(16))
    const self = { nodeId: 1, name: 'engine', peerAddress: '', clientAddress: '', directoryId }
    const configuration = { historyId, members: [self], voters: [1], outgoing: [], learners: [], learnersNext: [] }
    const highest = Math.max(...this.#chain.map(backup => backup.manifest.head.seq))
    const again: SnapshotManifest = {
      ...manifest,
      historyId,
      term: LOCAL_TERM,
      seq: highest + RESTORED_SEQS,
      configuration: encodeConfiguration(configuration),
      sinceSeq: machine.appliedSeq,
    }
    const sink = await machine.beginInstall(again)
    await sink.commit()
    return { point: { seq: again.seq, term: LOCAL_TERM, chain: again.chain }, historyId }
  }
}

const NO_FENCE = new Uint8Array(0)

/** The entries of a record through `seq`; undefined if all are later. */
function cut(bytes: Uint8Array, seq: number): EntryBatch | undefined {
  let at = 0
  let [firstSeq, lastSeq] = [0, 0]
  while (at < bytes.length) {
    const header = readEntryHeader(bytes, at, bytes.length)
    if (header.seq > seq) break
    if (firstSeq === 0) firstSeq = header.seq
    lastSeq = header.seq
    at += header.length
  }
  return firstSeq === 0 ? undefined : { firstSeq, lastSeq, bytes: bytes.subarray(0, at) }
}
