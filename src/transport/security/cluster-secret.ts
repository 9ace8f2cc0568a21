import type { Files } from '../../platform/index.ts'
import { invalid, readConfiguredFile } from './read-file.ts'

const SECRET_BYTES_MIN = 16

/**
 * Reads what the members of a cluster prove to each other that they know: the file's text without white space at its ends.
 * @throws QuorateError `configuration_invalid` if there is no such file or it holds less than 16 bytes
 */
export async function readClusterSecret(files: Files, path: string): Promise<Uint8Array> {
  const secret = new TextEncoder().encode((await readConfiguredFile(files, path)).trim())
  if (secret.length < SECRET_BYTES_MIN)
    throw invalid(`${path}: the cluster secret has at least ${SECRET_BYTES_MIN} bytes`)
  return secret
}
