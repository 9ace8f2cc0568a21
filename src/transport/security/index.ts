/** Who may come in: tokens, the cluster secret, and which addresses may be bound without either. */
export { AttemptLimit, networkOf } from './attempt-limit.ts'
export type { AttemptLimitOptions } from './attempt-limit.ts'
export { readClusterSecret } from './cluster-secret.ts'
export { isLoopbackHost, requireSafeBind } from './loopback.ts'
export type { BindSafety } from './loopback.ts'
export { invalid as invalidConfiguration, readConfiguredFile } from './read-file.ts'
export { openTokens } from './tokens.ts'
export type { TokenHolder, TokenRole, Tokens } from './tokens.ts'
