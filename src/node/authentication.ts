import { QuorateError, ROOT_CALLER } from '../model/index.ts'
import type { Files } from '../platform/index.ts'
import type { Configuration } from './configuration.ts'
import { readTextFile } from './text-file.ts'

/** Who may come in, and how members know each other. */
export interface Authentication {
  /** The caller that a token stands for; without one, root on this machine. undefined = refused. */
  callerOf(token: string | undefined, isLoopback: boolean): string | undefined
  /** What the members of the cluster share. */
  readonly secret: Uint8Array
}

export async function loadAuthentication({ secretFile }: Configuration, files: Files): Promise<Authentication> {
  const secret = secretFile === undefined ? '' : await readTextFile(files, secretFile)
  if (secret === undefined) throw new QuorateError('configuration_invalid', `secretFile: there is no ${secretFile}`)
  return {
    callerOf: (token, isLoopback) => (token === undefined && isLoopback ? ROOT_CALLER : undefined),
    secret: new TextEncoder().encode(secret.trim()),
  }
}
