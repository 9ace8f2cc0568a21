/** Keyed and unkeyed cryptography of the machine. All calls are synchronous; a text in `parts` is the parts one after the other. */
export interface Ciphers {
  /** SHA-256 (FIPS 180-4): 32 bytes. */
  sha256(parts: readonly Uint8Array[]): Uint8Array
  /** HMAC-SHA-256 (RFC 2104): 32 bytes. */
  hmacSha256(key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array
  /**
   * AES-256-GCM (NIST SP 800-38D): turns the parts into cipher text in place, and returns the 16 bytes of the tag over it and
   * `associated`. A `nonce` (12 bytes) must never be used twice under one key (32 bytes).
   */
  encrypt(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, parts: readonly Uint8Array[]): Uint8Array
  /** The reverse, in place. False if the tag does not hold: then the parts hold nothing that may be looked at. */
  decrypt(
    key: Uint8Array,
    nonce: Uint8Array,
    associated: Uint8Array,
    tag: Uint8Array,
    parts: readonly Uint8Array[],
  ): boolean
}
