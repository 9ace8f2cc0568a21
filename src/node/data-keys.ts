import type { Files } from '../platform/index.ts'
import { parseKeys } from '../sealing/index.ts'
import type { ConfiguredKeys } from '../sealing/index.ts'
import { readConfiguredFile } from '../transport/security/index.ts'

/** Files with the keys of data directories. */
export interface KeyFiles {
  readonly encryption?: string | undefined
  readonly integrity?: string | undefined
}

/**
 * The keys that are configured; undefined if there are none.
 * @throws QuorateError `configuration_invalid` naming file and line, never its content
 */
export async function loadDataKeys(files: Files, paths: KeyFiles): Promise<ConfiguredKeys | undefined> {
  const read = async (path: string | undefined): Promise<Uint8Array[] | undefined> =>
    path === undefined ? undefined : parseKeys(await readConfiguredFile(files, path), path)
  const [encryption, integrity] = [await read(paths.encryption), await read(paths.integrity)]
  if (encryption === undefined && integrity === undefined) return undefined
  return { ...(encryption !== undefined && { encryption }), ...(integrity !== undefined && { integrity }) }
}
