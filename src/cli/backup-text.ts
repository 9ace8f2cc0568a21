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
export function describeBackup(directory: string, { type, state, head, files }: BackupManifest): string {
  const bytes = files.images.bytes + files.entries.bytes
  return `${directory}: ${type}, restores ${state.seq} to ${head.seq}, ${bytes} bytes`
}
