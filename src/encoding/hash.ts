import { hmac } from '@noble/hashes/hmac.js'
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'

/** SHA-256 (FIPS 180-4): 32 bytes. For manifests and identities, not for the commit path. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return nobleSha256(bytes)
}

/** HMAC-SHA-256 (RFC 2104): 32 bytes. */
export function hmacSha256(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  return hmac(nobleSha256, key, bytes)
}

/** HMAC-SHA-256 with a key that is made ready once: for many short texts. */
export function hmacSha256By(key: Uint8Array): (bytes: Uint8Array) => Uint8Array {
  const ready = hmac.create(nobleSha256, key)
  return bytes => ready.clone().update(bytes).digest()
}

/** A hash over chunks that arrive one after the other. */
export interface StreamingSha256 {
  update(bytes: Uint8Array): void
  finish(): Uint8Array
}

export function streamingSha256(): StreamingSha256 {
  const state = nobleSha256.create()
  return {
    update: (bytes: Uint8Array): void => void state.update(bytes),
    finish: (): Uint8Array => state.digest(),
  }
}
