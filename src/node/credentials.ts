import type { Platform } from '../platform/index.ts'
import type { ConfiguredKeys } from '../sealing/index.ts'
import { loadAuthentication } from './authentication.ts'
import type { Authentication } from './authentication.ts'
import type { Configuration } from './configuration.ts'
import { loadDataKeys } from './data-keys.ts'
import { loadTls } from './tls.ts'
import type { NodeTls } from './tls.ts'

/** What the files that a configuration names hold. */
export interface Credentials {
  readonly authentication: Authentication
  readonly tls: NodeTls
  /** Of the data directory. */
  readonly keys: ConfiguredKeys | undefined
}

/**
 * Reads every file that a configuration names, and refuses addresses that would be open to everybody.
 * @throws QuorateError `configuration_invalid` naming the file or the address
 */
export async function loadCredentials(
  configuration: Configuration,
  platform: Pick<Platform, 'files' | 'clock'>,
): Promise<Credentials> {
  const authentication = await loadAuthentication(configuration, platform)
  const tls = await loadTls(configuration, platform.files)
  const { encryption, integrity } = configuration
  const keyFiles = { encryption: encryption.keyFile, integrity: integrity.keyFile }
  return { authentication, tls, keys: await loadDataKeys(platform.files, keyFiles) }
}
