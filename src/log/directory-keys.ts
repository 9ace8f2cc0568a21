import type { Ciphers, Files, Random } from '../platform/index.ts'
import { QuorateError } from '../model/index.ts'
import { rotateDataKey } from '../sealing/index.ts'
import type { ConfiguredKeys } from '../sealing/index.ts'
import { readIdentity } from './data-directory.ts'

export interface DirectoryKeysOptions {
  readonly files: Files
  readonly random: Random
  readonly ciphers: Ciphers
  readonly path: string
  readonly keys: ConfiguredKeys
}

/**
 * Gives a data directory that nobody has open a new data key, which everything written from its next opening on is encrypted by. Answers the
 * key's number.
 * @throws FileError `directory_locked` naming the holder; QuorateError `not_found` if there is no data directory, else as `rotateDataKey`
 */
export async function rotateKeys({ files, random, ciphers, path, keys }: DirectoryKeysOptions): Promise<number> {
  if ((await files.size(`${path}/identity.json`)) === undefined) {
    throw new QuorateError('not_found', `${path} is no data directory`)
  }
  const lock = await files.lock(path)
  try {
    const identity = await readIdentity(files, path)
    if (identity?.isComplete !== true) throw new QuorateError('not_found', `${path} holds nothing yet`)
    const { directoryId } = identity
    return await rotateDataKey({ files, random, ciphers, path, directoryId, keys })
  } finally {
    await lock.release()
  }
}
