import { bytesToHex, readEntryHeader } from '../../encoding/index.ts'
import type { EntryBatch } from '../../encoding/index.ts'
import { QuorateError } from '../../model/index.ts'
import type { Clock, Files, Random } from '../../platform/index.ts'
import type { ImageSource } from '../snapshots.ts'
import { ENTRIES, IMAGES, readManifest, requireIntegrityKey, writeManifest } from './manifest.ts'
import type { BackupManifest } from './manifest.ts'
import { RecordFileWriter } from './record-file.ts'

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
  head(): BackupManifest['head']
  sourceSince(sinceSeq: number): ImageSource
  /** The first seq that the log has. */
  readonly firstSeq: number
  /** Entries of the log from `fromSeq` on, at least one. */
  readEntries(fromSeq: number, maxBytes: number): Promise<EntryBatch>
}

export interface BackupPorts {
  readonly files: Files
  readonly clock: Clock
  readonly random: Random
}

const CHUNK_BYTES = 1 << 20
const BACKUP_ID_BYTES = 16

/**
 * Writes a backup of the running state into `directory`, which is empty or not there yet: the images of one pinned root, and the entries of
 * the log from the parent's end, or that root, up to the newest one when the images are written. Writers go on meanwhile. Everything is synced
 * before the manifest, which makes it a backup.
 * @throws QuorateError `invalid_argument` if the directory is not empty or the parent is of another history; FileError where the disk fails
 */
export async function createBackup(
  ports: BackupPorts,
  source: BackupSource,
  directory: string,
  { parent, key }: BackupOptions,
): Promise<BackupManifest> {
  const { files, clock, random } = ports
  requireIntegrityKey(key)
  const before = parent === undefined ? undefined : await readManifest(files, parent, key)
  if (before !== undefined && (before.historyId !== source.historyId || before.head.seq > source.head().seq)) {
    throw new QuorateError('invalid_argument', `${parent} is a backup of another history: take a full one`)
  }
  await files.makeDirectory(directory)
  if ((await files.list(directory)).length > 0) throw new QuorateError('invalid_argument', `${directory} is not empty`)
  const images = source.sourceSince(before?.state.seq ?? 0)
  const { manifest } = images
  const chained = before !== undefined && before.head.seq + 1 >= source.firstSeq ? before.head.seq : manifest.seq
  const firstSeq = Math.min(chained, manifest.seq) + 1
  let imagesFile: BackupManifest['files']['images']
  try {
    imagesFile = await writeRecords(files, `${directory}/${IMAGES}`, imagesOf(images))
  } finally {
    images.close()
  }
  const head = source.head()
  const entriesFile = await writeRecords(files, `${directory}/${ENTRIES}`, entriesOf(source, firstSeq, head.seq))
  const { sum, configuration, historyId, ...state } = manifest
  const written: BackupManifest = {
    format: 1,
    backupId: bytesToHex(random.bytes(BACKUP_ID_BYTES)),
    type: before === undefined ? 'full' : 'incremental',
    ...(before !== undefined && { parentId: before.backupId }),
    historyId,
    takenAtMicros: clock.wallMicros(),
    state: { ...state, sum: [sum.lo, sum.hi], configuration: bytesToHex(configuration) },
    entries: { firstSeq, lastSeq: head.seq },
    head,
    files: { images: imagesFile, entries: entriesFile },
  }
  await writeManifest(files, directory, written, key)
  return written
}

async function writeRecords(files: Files, path: string, records: AsyncIterable<Uint8Array>) {
  const writer = await RecordFileWriter.create(files, path)
  try {
    for await (const record of records) await writer.add(record)
    return await writer.finish()
  } catch (error) {
    await writer.giveUp().catch(() => undefined)
    throw error
  }
}

async function* imagesOf(images: ImageSource): AsyncGenerator<Uint8Array> {
  for (;;) {
    const chunk = await images.next(CHUNK_BYTES)
    if (chunk === undefined) return
    yield chunk.bytes
  }
}

/** Batches of whole entries from `firstSeq` through `lastSeq`. */
async function* entriesOf(source: BackupSource, firstSeq: number, lastSeq: number): AsyncGenerator<Uint8Array> {
  for (let next = firstSeq; next <= lastSeq;) {
    const batch = await source.readEntries(next, CHUNK_BYTES)
    yield batch.lastSeq <= lastSeq ? batch.bytes : cutBehind(batch, lastSeq)
    next = batch.lastSeq + 1
  }
}

function cutBehind({ bytes, firstSeq }: EntryBatch, lastSeq: number): Uint8Array {
  let at = 0
  for (let seq = firstSeq; seq <= lastSeq; seq++) at += readEntryHeader(bytes, at, bytes.length).length
  return bytes.subarray(0, at)
}
