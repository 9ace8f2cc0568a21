import type { Ciphers } from '../index.ts'

/**
 * Stands in for cryptography where everything must be quick and repeat itself: it hides and proves nothing against anybody who tries,
 * but every bit of key, nonce, associated bytes and text counts, and cipher text looks like nothing.
 */
export function simulatedCiphers(): Ciphers {
  return {
    sha256: parts => digest(1, parts),
    hmacSha256: (key, parts) => digest(2, [key, ...parts]),
    encrypt(key, nonce, associated, parts) {
      crypt(key, nonce, parts)
      return tagOf(key, nonce, associated, parts)
    },
    decrypt(key, nonce, associated, tag, parts) {
      const holds = tagOf(key, nonce, associated, parts).every((byte, i) => byte === tag[i])
      crypt(key, nonce, parts)
      return holds
    },
  }
}

function tagOf(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  return digest(3, [key, nonce, associated, ...parts]).subarray(0, 16)
}

/** The key stream is a xorshift of the digest of key and nonce. */
function crypt(key: Uint8Array, nonce: Uint8Array, parts: readonly Uint8Array[]): void {
  const seed = digest(4, [key, nonce])
  let [a, b] = [word(seed, 0) | 1, word(seed, 4)]
  for (const part of parts) {
    for (let i = 0; i < part.length; i++) {
      let t = a ^ (a << 11)
      a = b
      t ^= t >>> 8
      b = b ^ (b >>> 19) ^ t
      part[i]! ^= (b + a) >>> 24
    }
  }
}

function digest(kind: number, parts: readonly Uint8Array[]): Uint8Array {
  let [a, b, length] = [mix(kind), mix(kind + 0x9e3779b9), 0]
  for (const part of parts) {
    length += part.length
    for (let i = 0; i < part.length; i++) {
      a = Math.imul(a ^ part[i]!, 0x01000193)
      b = Math.imul(b + a, 0x85ebca6b) ^ (b >>> 13)
    }
  }
  const bytes = new Uint8Array(32)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < 8; i++) {
    a = mix(a + length + i)
    b = mix(b ^ a)
    view.setUint32(4 * i, a ^ Math.imul(b, i + 1), true)
  }
  return bytes
}

function word(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getInt32(at, true)
}

/** A bijective 32-bit finalizer (Wellons, lowbias32). */
function mix(value: number): number {
  let x = value >>> 0
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  return (x ^ (x >>> 16)) >>> 0
}
