/** The key-value layer: mutations of keys, numbers, expiry by leader time, reads. */
export { KeyCount } from './count.ts'
export { applyComputed } from './computed.ts'
export { expireKeys, expiryFrom, isExpired, setOwnClockSkew } from './expiry.ts'
export type { ExpiryStep } from './expiry.ts'
export { applyDelete, applyNumber, applySet } from './mutations.ts'
export type { MutationOutcome } from './mutations.ts'
export { readKeys, requireScope, Scan, SCAN_BYTES_MAX } from './reads.ts'
export type { ReadContext } from './reads.ts'
