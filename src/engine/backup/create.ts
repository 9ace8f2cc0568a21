import { bytesToHex, readEntryHeader } from '../../encoding/index.ts'
import type { EntryBatch } from '../../encoding/index.ts'
import { LogError } from '../../log/index.ts'
import { QuorateError, VERSION } from '../../model/index.ts'
import type { Clock, Files, Random } from '../../platform/index.ts'
import type { ImageSource } from '../snapshots.ts'
import { chunksOf } from './image-chunks.ts'
import {
  BACKUP_FORMAT,
  BACKUP_MINOR,
  ENTRIES,
  IMAGES,
  manifestTexts,
  readManifest,
  requireIntegrityKey,
  stateOf,
} from './manifest.ts'
import type { BackedUpFile, BackupHead, BackupManifest } from './manifest.ts'
import { RecordFileWriter } from './record-file.ts'
import { directoryTarget } from './target.ts'
import type { BackupTarget } from './target.ts'

export interface BackupOptions {
  /** The directory of the backup that this one continues: only what has changed since is written. */
  parent?: string
  /** At least 32 bytes: the manifest is signed with it (HMAC-SHA-256), and cannot be read or continued without. */
  key?: Uint8Array
}

/** What a backup is taken of. */
export interface BackupSource {
  readonly historyId: string
  /** The newest applied entry. */
  head(): BackupHead
  sourceSince(sinceSeq: number): ImageSource
  /** The first seq that the log has. */
  readonly firstSeq: number
  /** Entries of the log from `fromSeq` on, at least one. */
  readEntries(fromSeq: number, maxBytes: number): Promise<EntryBatch>
  /** Asked before the manifest is written. @throws QuorateError if the state may no longer be given away */
  requireTrusted?(): void
}

export interface BackupPorts {
  readonly files: Files
  readonly clock: Clock
  readonly random: Random
}

/** How far a backup is. */
export interface BackupProgress {
  readonly phase: 'images' | 'entries'
  readonly imageBytes: number
  readonly entryBytes: number
}

/** What has to be known of the backup that one continues. */
export interface ParentBackup {
  readonly backupId: string
  readonly historyId: string
  /** Of its state: what was changed later is written. */
  readonly stateSeq: number
  /** Of its last entry: what follows it is written. */
  readonly headSeq: number
}

export function asParent({ backupId, historyId, state, head }: BackupManifest): ParentBackup {
  return { backupId, historyId, stateSeq: state.seq, headSeq: head.seq }
}

export interface BackupTask {
  /** What the backup continues; undefined = a full one. */
  readonly parent?: ParentBackup
  readonly key?: Uint8Array
  /** Ends it with `aborted`. */
  readonly signal?: AbortSignal
  onProgress?(progress: BackupProgress): void
}

const READ_BYTES = 1 << 20
const BACKUP_ID_BYTES = 16

/**
 * Writes a backup of the running state into `target`: the images of one pinned root, and the entries of the log from the parent's end, or
 * that root, up to the newest one when the images are written. Writers go on meanwhile. Where the log has let go of what follows the root
 * before it could be written, the backup restores that root only.
 * @throws QuorateError `invalid_argument` if the parent is of another history; `aborted`; FileError where the disk fails
 */
export async function createBackup(
  { clock, random }: Omit<BackupPorts, 'files'>,
  source: BackupSource,
  target: BackupTarget,
  task: BackupTask = {},
): Promise<BackupManifest> {
  const { parent: before, key } = task
  requireIntegrityKey(key)
  if (before !== undefined) requireContinued(source, before)
  const images = source.sourceSince(before?.stateSeq ?? 0)
  const { manifest } = images
  const writing = new Writing(source, target, task)
  let imagesFile: BackedUpFile
  try {
    imagesFile = await writing.records(IMAGES, chunksOf(images))
  } finally {
    images.close()
  }
  const tail = await writing.tail(manifest, before?.headSeq)
  source.requireTrusted?.()
  const written: BackupManifest = {
    format: BACKUP_FORMAT,
    minor: BACKUP_MINOR,
    writtenBy: VERSION,
    backupId: bytesToHex(random.bytes(BACKUP_ID_BYTES)),
    type: before === undefined ? 'full' : 'incremental',
    ...(before !== undefined && { parentId: before.backupId }),
    historyId: manifest.historyId,
    takenAtMicros: clock.wallMicros(),
    state: stateOf(manifest),
    entries: tail.entries,
    head: tail.head,
    files: { images: imagesFile, entries: tail.file },
  }
  await target.seal(manifestTexts(written, key))
  return written
}

/**
 * The same into `directory`, which is empty or not there yet, continuing the backup in the directory `parent` if given.
 * @throws QuorateError as `createBackup` and `readManifest`; `invalid_argument` if the directory is not empty
 */
export async function backupToDirectory(
  ports: BackupPorts,
  source: BackupSource,
  directory: string,
  { parent, key, ...task }: BackupOptions & Omit<BackupTask, 'parent'>,
): Promise<BackupManifest> {
  const { files } = ports
  requireIntegrityKey(key)
  const before = parent === undefined ? undefined : asParent(await readManifest(files, parent, key))
  if (before !== undefined) requireContinued(source, before)
  const target = await directoryTarget(files, directory)
  return await createBackup(ports, source, target, { ...task, ...(before && { parent: before }), ...(key && { key }) })
}

/** @throws QuorateError `invalid_argument` if what is to be continued is of another history, or of a later state than this one */
export function requireContinued(source: BackupSource, { historyId, stateSeq, headSeq, backupId }: ParentBackup): void {
  const isBehind = stateSeq > 0 && stateSeq <= headSeq && headSeq <= source.head().seq
  if (historyId === source.historyId && isBehind) return
  const message = `${backupId} is a backup of another history or of a later state: take a full one`
  throw new QuorateError('invalid_argument', message)
}

interface Tail {
  readonly entries: BackupManifest['entries']
  readonly head: BackupHead
  readonly file: BackedUpFile
}

class Writing {
  readonly #source: BackupSource
  readonly #target: BackupTarget
  readonly #task: BackupTask
  readonly #bytes = { imageBytes: 0, entryBytes: 0 }

  constructor(source: BackupSource, target: BackupTarget, task: BackupTask) {
    this.#source = source
    this.#target = target
    this.#task = task
  }

  async records(name: string, records: AsyncIterable<Uint8Array>): Promise<BackedUpFile> {
    const { signal } = this.#task
    const writer = new RecordFileWriter(await this.#target.file(name))
    const isImages = name === IMAGES
    try {
      for await (const record of records) {
        if (signal?.aborted === true) throw cancelled(signal)
        await writer.add(record)
        this.#bytes[isImages ? 'imageBytes' : 'entryBytes'] = writer.bytes
        this.#task.onProgress?.({ phase: isImages ? 'images' : 'entries', ...this.#bytes })
      }
      if (signal?.aborted === true) throw cancelled(signal)
      return await writer.finish()
    } catch (error) {
      await writer.giveUp().catch(() => undefined)
      throw error
    }
  }

  /** The entries behind `parentSeq`, or behind the state of the images where the log does not reach back so far. */
  async tail(state: ImageSource['manifest'], parentSeq: number | undefined): Promise<Tail> {
    const { seq, chain, effectChain, sum, leaderTimeMicros } = state
    const source = this.#source
    const chained = parentSeq !== undefined && parentSeq + 1 >= source.firstSeq ? parentSeq : seq
    const firstSeq = Math.min(chained, seq) + 1
    const head = source.head()
    const hasAll = source.firstSeq <= seq + 1
    if (hasAll) {
      const file = await this.records(ENTRIES, this.#entriesOf(firstSeq, head.seq))
      return { entries: { firstSeq, lastSeq: head.seq }, head, file }
    }
    const file = await this.records(ENTRIES, nothing())
    const alone: BackupHead = { seq, chain, leaderTimeMicros, effectChain, sum: [sum.lo, sum.hi] }
    return { entries: { firstSeq: seq + 1, lastSeq: seq }, head: alone, file }
  }

  /** Batches of whole entries from `firstSeq` through `lastSeq`. */
  async *#entriesOf(firstSeq: number, lastSeq: number): AsyncGenerator<Uint8Array> {
    for (let next = firstSeq; next <= lastSeq;) {
      const batch = await this.#read(next)
      yield batch.lastSeq <= lastSeq ? batch.bytes : cutBehind(batch, lastSeq)
      next = batch.lastSeq + 1
    }
  }

  async #read(fromSeq: number): Promise<EntryBatch> {
    try {
      return await this.#source.readEntries(fromSeq, READ_BYTES)
    } catch (cause) {
      if (!(cause instanceof LogError) || cause.code !== 'seq_unavailable') throw cause
      const message = `the log let go of entry ${fromSeq} before it was backed up: the disk of the backup is too slow`
      throw new QuorateError('seq_unavailable', message, { retryable: true, cause })
    }
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function cancelled({ reason }: AbortSignal): QuorateError {
  return reason instanceof QuorateError
    ? reason
    : new QuorateError('aborted', 'the backup was cancelled', { cause: reason })
}

function cutBehind({ bytes, firstSeq }: EntryBatch, lastSeq: number): Uint8Array {
  let at = 0
  for (let seq = firstSeq; seq <= lastSeq; seq++) at += readEntryHeader(bytes, at, bytes.length).length
  return bytes.subarray(0, at)
}
