/** Keys of a data directory, and what they do to its bytes. */
export { keyId, parseKeys } from './configured-keys.ts'
export type { ConfiguredKeys } from './configured-keys.ts'
export { KEYS_NAME } from './key-file.ts'
export type { WrappedKey } from './key-file.ts'
export { openSeal, readKeyNumbers, rotateDataKey } from './open-seal.ts'
export type { KeyNumbers, SealedDirectory } from './open-seal.ts'
export { BOX_BYTES, MAC_BYTES, NONCE_BYTES, Seal, TAG_BYTES } from './seal.ts'
export type { SealKeys } from './seal.ts'
