import { QuorateError, ROOT_CALLER } from '../model/index.ts'
import type { Platform } from '../platform/index.ts'
import { AttemptLimit, openTokens, readClusterSecret, requireSafeBind } from '../transport/security/index.ts'
import type { TokenHolder, TokenRole, Tokens } from '../transport/security/index.ts'
import type { Configuration } from './configuration.ts'

/** Who may come in, and how members know each other. */
export interface Authentication {
  /**
   * The caller that a token stands for on a door; undefined = refused.
   * @throws QuorateError `busy` if too many wrong tokens came from `address`
   */
  callerOf(door: TokenRole, token: string | undefined, isLoopback: boolean, address: string): string | undefined
  /** As `callerOf`, of a token that was good once: that it is not any more is no attempt. */
  recheck(door: TokenRole, token: string | undefined, isLoopback: boolean): string | undefined
  /** For metrics. */
  readonly attempts: { readonly failedTotal: number; readonly limitedTotal: number }
  /** What the members of the cluster share; empty where all of them are on this machine. */
  readonly secret: Uint8Array
  /** Reads the tokens again. @throws QuorateError `configuration_invalid`, and the old ones stay */
  reload(): Promise<void>
}

/**
 * Reads tokens and secret, and refuses addresses that would be open to everybody.
 * @throws QuorateError `configuration_invalid`
 */
export async function loadAuthentication(
  configuration: Configuration,
  { files, clock }: Pick<Platform, 'files' | 'clock'>,
): Promise<Authentication> {
  const { secretFile, tokensFile, insecure, client, admin, peer } = configuration
  const tokens = tokensFile === undefined ? undefined : await openTokens(files, tokensFile)
  const secret = secretFile === undefined ? new Uint8Array(0) : await readClusterSecret(files, secretFile)
  const hasTokens = tokens !== undefined
  requireSafeBind({ host: client.host, hasAuth: hasTokens, insecure, door: 'client' })
  requireSafeBind({ host: admin.host, hasAuth: hasTokens, insecure, door: 'admin' })
  requireSafeBind({ host: peer.host, hasAuth: secret.length > 0, insecure, door: 'peer' })
  const attempts = new AttemptLimit({ clock })
  return {
    callerOf(door, token, isLoopback, address) {
      if (tokens === undefined) return callerWithoutTokens(insecure, token, isLoopback)
      return token === undefined ? undefined : callerOf(tokens, attempts, door, token, address)
    },
    recheck(door, token, isLoopback) {
      if (tokens === undefined) return callerWithoutTokens(insecure, token, isLoopback)
      return token === undefined ? undefined : callerOn(door, tokens.holderOf(token))
    },
    attempts,
    secret,
    reload: () => tokens?.reload() ?? Promise.resolve(),
  }
}

/** Without tokens the caller is root: on this machine, or, where the operator has spelled out `insecure`, from everywhere. */
function callerWithoutTokens(insecure: boolean, token: string | undefined, isLoopback: boolean): string | undefined {
  return token === undefined && (isLoopback || insecure) ? ROOT_CALLER : undefined
}

/** Who shows no token guesses nothing; who shows wrong ones is bounded, from all ports together. */
function callerOf(
  tokens: Tokens,
  attempts: AttemptLimit,
  door: TokenRole,
  token: string,
  address: string,
): string | undefined {
  const waitMs = attempts.waitMs(address)
  if (waitMs > 0) {
    const message = 'too many wrong tokens came from this address'
    throw new QuorateError('busy', message, { retryable: true, backoffMs: waitMs })
  }
  const holder = tokens.holderOf(token)
  if (holder === undefined) attempts.failed(address)
  return callerOn(door, holder)
}

/** Operators may do what whoever makes backups may. */
function callerOn(door: TokenRole, holder: TokenHolder | undefined): string | undefined {
  const isWelcome =
    holder?.roles.includes(door) === true || (door === 'backup' && holder?.roles.includes('admin') === true)
  return isWelcome ? holder.caller : undefined
}
