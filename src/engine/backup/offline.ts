import type { Platform } from '../../platform/index.ts'
import { backupSource } from './source.ts'
import { openOffline } from '../offline.ts'
import type { OfflineOptions } from '../offline.ts'
import { backupToDirectory } from './create.ts'
import type { BackupOptions } from './create.ts'
import type { BackupManifest } from './manifest.ts'

/** A backup of a data directory that nobody serves, as far as it is certainly committed. @throws as `openOffline` and `backupToDirectory` */
export async function backupDirectory(
  platform: Platform,
  data: string,
  directory: string,
  { parent, key, ...options }: BackupOptions & OfflineOptions = {},
): Promise<BackupManifest> {
  const state = await openOffline(data, platform, options)
  try {
    const task = { ...(parent !== undefined && { parent }), ...(key && { key }) }
    return await backupToDirectory(platform, backupSource(state.machine, state.log), directory, task)
  } finally {
    await state.close()
  }
}
