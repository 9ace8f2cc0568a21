import type { Files } from '../../platform/index.ts'
import { receiveArchive } from './archive.ts'
import type { ArchiveSource } from './archive-source.ts'
import { verifyBackup } from './chain.ts'
import { requireIntegrityKey, writeManifest } from './manifest.ts'
import type { BackupManifest } from './manifest.ts'

/**
 * Takes a backup that arrives as an archive into `directory`, which is empty or not there yet, and compares everything with its sums on the
 * disk. With `key` its manifest is signed then: whoever sent it need not know the key. Where anything is wrong the directory is empty again.
 * @throws QuorateError as `receiveArchive` and `verifyBackup`
 */
export async function receiveBackup(
  files: Files,
  source: ArchiveSource,
  directory: string,
  key?: Uint8Array,
): Promise<BackupManifest> {
  requireIntegrityKey(key)
  await receiveArchive(files, source, directory)
  try {
    return key === undefined ? await verifyBackup({ files }, directory) : await signBackup(files, directory, key)
  } catch (error) {
    for (const name of await files.list(directory)) await files.removeTree(`${directory}/${name}`)
    throw error
  }
}

/**
 * Signs a backup that is not signed yet, once everything in it was compared with its sums.
 * @throws QuorateError as `verifyBackup`
 */
export async function signBackup(files: Files, directory: string, key: Uint8Array): Promise<BackupManifest> {
  requireIntegrityKey(key)
  const manifest = await verifyBackup({ files }, directory)
  await writeManifest(files, directory, manifest, key)
  return manifest
}
