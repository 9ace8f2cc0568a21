import { bytesToHex, fromBase64, hexToBytes, utf8Bytes } from '../encoding/index.ts'
import { QuorateError } from '../model/index.ts'
import type { Ciphers } from '../platform/index.ts'

/** A configured key has at least so many bytes. */
const KEY_BYTES_MIN = 32

/**
 * Keys that an operator keeps, outside of the data directory. They wrap the directory's own keys. The first of a list is the present one;
 * the others only open what was wrapped before, which is then wrapped anew: so a key is changed by putting the new one first.
 */
export interface ConfiguredKeys {
  /** Encryption at rest. */
  readonly encryption?: readonly Uint8Array[]
  /** Signatures and cryptographic checksums. */
  readonly integrity?: readonly Uint8Array[]
}

/** The name under which a wrapped key says what it was wrapped by: 16 hexadecimal digits that tell nothing of the key. */
export function keyId(ciphers: Ciphers, key: Uint8Array): string {
  return bytesToHex(ciphers.hmacSha256(key, [utf8Bytes('quorate key id')]).subarray(0, 8))
}

/**
 * The keys of a file's text: one a line, at least 32 bytes, as hexadecimal digits or Base64; empty lines and those with # are passed over.
 * @throws QuorateError `configuration_invalid` naming the line, never its content
 */
export function parseKeys(text: string, source: string): Uint8Array[] {
  const keys: Uint8Array[] = []
  for (const [i, line] of text.split('\n').entries()) {
    const word = line.trim()
    if (word === '' || word.startsWith('#')) continue
    const key = parseKey(word)
    if (key === undefined) {
      const what = `line ${i + 1} is no key: ${KEY_BYTES_MIN} bytes or more, as hexadecimal digits or Base64`
      throw new QuorateError('configuration_invalid', `${source}: ${what}`)
    }
    keys.push(key)
  }
  if (keys.length === 0) throw new QuorateError('configuration_invalid', `${source}: there is no key in it`)
  return keys
}

function parseKey(word: string): Uint8Array | undefined {
  if (/^([0-9a-fA-F]{2})+$/.test(word) && word.length >= 2 * KEY_BYTES_MIN) return hexToBytes(word.toLowerCase())
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(word) || word.length % 4 !== 0) return undefined
  const key = fromBase64(word)
  return key.length >= KEY_BYTES_MIN ? key : undefined
}

/** @throws QuorateError `invalid_argument` for an empty list or a short key */
export function requireLongEnough(keys: ConfiguredKeys): void {
  for (const [purpose, list] of Object.entries(keys) as [string, readonly Uint8Array[] | undefined][]) {
    if (list === undefined) continue
    const isFit = list.length > 0 && list.every(key => key.length >= KEY_BYTES_MIN)
    if (isFit) continue
    const message = `keys of ${purpose}: at least one, each of ${KEY_BYTES_MIN} bytes or more`
    throw new QuorateError('invalid_argument', message)
  }
}
