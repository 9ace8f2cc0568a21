import { ROOT_CALLER } from '../model/index.ts'
import type { Files } from '../platform/index.ts'
import { openTokens, readClusterSecret, requireSafeBind } from '../transport/security/index.ts'
import type { TokenRole, Tokens } from '../transport/security/index.ts'
import type { Configuration } from './configuration.ts'

/** Who may come in, and how members know each other. */
export interface Authentication {
  /** The caller that a token stands for on a door; undefined = refused. */
  callerOf(door: TokenRole, token: string | undefined, isLoopback: boolean): string | undefined
  /** What the members of the cluster share; empty where all of them are on this machine. */
  readonly secret: Uint8Array
  /** Reads the tokens again. @throws QuorateError `configuration_invalid`, and the old ones stay */
  reload(): Promise<void>
}

/**
 * Reads tokens and secret, and refuses addresses that would be open to everybody.
 * @throws QuorateError `configuration_invalid`
 */
export async function loadAuthentication(configuration: Configuration, files: Files): Promise<Authentication> {
  const { secretFile, tokensFile, insecure, client, admin, peer } = configuration
  const tokens = tokensFile === undefined ? undefined : await openTokens(files, tokensFile)
  const secret = secretFile === undefined ? new Uint8Array(0) : await readClusterSecret(files, secretFile)
  const hasTokens = tokens !== undefined
  requireSafeBind({ host: client.host, hasAuth: hasTokens, insecure, door: 'client' })
  requireSafeBind({ host: admin.host, hasAuth: hasTokens, insecure, door: 'admin' })
  requireSafeBind({ host: peer.host, hasAuth: secret.length > 0, insecure, door: 'peer' })
  return {
    callerOf: (door, token, isLoopback) => callerOf(tokens, insecure, door, token, isLoopback),
    secret,
    reload: () => tokens?.reload() ?? Promise.resolve(),
  }
}

/** Without tokens the caller is root: on this machine, or, where the operator has spelled out `insecure`, from everywhere. */
function callerOf(
  tokens: Tokens | undefined,
  insecure: boolean,
  door: TokenRole,
  token: string | undefined,
  isLoopback: boolean,
): string | undefined {
  if (tokens === undefined) return token === undefined && (isLoopback || insecure) ? ROOT_CALLER : undefined
  const holder = token === undefined ? undefined : tokens.holderOf(token)
  return holder?.roles.includes(door) === true ? holder.caller : undefined
}
