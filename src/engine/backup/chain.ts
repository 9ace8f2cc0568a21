import { MalformedBytes, readEntryHeader } from '../../encoding/index.ts'
import { QuorateError } from '../../model/index.ts'
import type { Files } from '../../platform/index.ts'
import { damaged, ENTRIES, IMAGES, readManifest } from './manifest.ts'
import type { BackupManifest } from './manifest.ts'
import { readRecords, verifyFile } from './record-file.ts'

export interface FoundBackup {
  readonly directory: string
  readonly manifest: BackupManifest
}

/** Which state of a chain is wanted; by default the newest. */
export interface RestorePoint {
  /** Right after this entry. */
  readonly seq?: number
  /** ... or after the last entry whose leader time is not later than this, us. */
  readonly timeMicros?: number
}

/**
 * Compares every file of a backup with its manifest, and every record with its checksum.
 * @throws QuorateError as `readManifest`; `damaged` naming the file
 */
export async function verifyBackup(
  { files }: { readonly files: Files },
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
  { files }: { readonly files: Files },
  root: string,
  key?: Uint8Array,
): Promise<FoundBackup[]> {
  const found: FoundBackup[] = []
  for (const name of ['', ...(await files.list(root))]) {
    // What file systems put into the root of a volume is nobody's to read.
    if (name === 'lost+found') continue
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
 * A full backup and those that continue it, each compared with its sums.
 * @throws QuorateError as `verifyBackup`; `invalid_argument` if these are no chain
 */
export async function readChain(
  files: Files,
  directories: readonly string[],
  key: Uint8Array | undefined,
): Promise<FoundBackup[]> {
  const chain: FoundBackup[] = []
  for (const directory of directories)
    chain.push({ directory, manifest: await verifyBackup({ files }, directory, key) })
  if (chain.length === 0) throw new QuorateError('invalid_argument', 'a restore needs a backup')
  for (const [i, { directory, manifest }] of chain.entries()) {
    const before = chain[i - 1]?.manifest
    const isNext = before === undefined ? manifest.type === 'full' : manifest.parentId === before.backupId
    if (isNext) continue
    const what = before === undefined ? 'is no full backup' : 'does not continue the backup before it'
    throw new QuorateError('invalid_argument', `${directory} ${what}`)
  }
  return chain
}

/** The entry after which the state is wanted. @throws QuorateError `seq_unavailable` with what can be restored; `invalid_argument` */
export async function targetSeq(
  files: Files,
  chain: readonly FoundBackup[],
  { seq, timeMicros }: RestorePoint,
): Promise<number> {
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
    const path = `${directory}/${ENTRIES}`
    if (manifest.state.leaderTimeMicros <= timeMicros) found = Math.max(found, manifest.state.seq)
    for await (const bytes of readRecords(files, path, manifest.files.entries)) {
      found = Math.max(found, lastBy(timeMicros, bytes, path))
    }
  }
  return found
}

/** The newest of some entries that is not later; 0 = none. */
function lastBy(timeMicros: number, bytes: Uint8Array, path: string): number {
  let found = 0
  try {
    for (let at = 0; at < bytes.length;) {
      const { leaderTimeMicros, seq, length } = readEntryHeader(bytes, at, bytes.length)
      if (leaderTimeMicros <= timeMicros) found = seq
      at += length
    }
  } catch (error) {
    if (!(error instanceof MalformedBytes)) throw error
    throw damaged(path, error.message, 0, error)
  }
  return found
}

export function unavailable(chain: readonly FoundBackup[], seq: number): QuorateError {
  const [oldestSeq, newestSeq] = [chain[0]!.manifest.state.seq, chain.at(-1)!.manifest.head.seq]
  const message = `${seq} cannot be restored: these backups reach from ${oldestSeq} to ${newestSeq}`
  return new QuorateError('seq_unavailable', message, { detail: { oldestSeq, newestSeq } })
}
