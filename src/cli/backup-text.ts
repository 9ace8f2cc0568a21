import type { BackupManifest } from '../entry/engine.ts'
import type { CommandContext } from './context.ts'

/** The option of a key's file. */
export const KEY_FILE: [string, string] = ['--key-file <file>', 'key that manifests are signed with, at least 32 bytes']

export interface KeyOption {
  keyFile?: string
}

export async function readKey({ files }: CommandContext, { keyFile }: KeyOption): Promise<Uint8Array | undefined> {
  if (keyFile === undefined) return undefined
  const file = await files.open(keyFile, 'read')
  try {
    const bytes = new Uint8Array(file.sizeSync())
    await file.read(bytes, 0)
    return bytes
  } finally {
    await file.close()
  }
}

/** One line about a backup. */
export function describeBackup(directory: string, { type, state, entries, head, files }: BackupManifest): string {
  const bytes = files.images.bytes + files.entries.bytes
  // What lies behind the end of the parent is restored from the parent and the entries that are here.
  const [how, from] = type === 'full' ? ['', state.seq] : [' with its parent', Math.min(state.seq, entries.firstSeq)]
  return `${directory}: ${type},${how} restores ${from} to ${head.seq}, ${bytes} bytes`
}

/**
 * A directory for what is restored only to be looked at: the given one, or the default, which an earlier run may have left behind.
 * @throws FileError `directory_locked` if another run is at it
 */
export async function scratchDirectory(
  { files }: CommandContext,
  given: string | undefined,
  ownName: string,
): Promise<string> {
  if (given !== undefined) return given
  if ((await files.size(`${ownName}/identity.json`)) === undefined) return ownName
  const lock = await files.lock(ownName)
  await lock.release()
  await files.removeTree(ownName)
  return ownName
}
