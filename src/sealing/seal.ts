import { utf8Bytes, writeU16, readU16, writeU32 } from '../encoding/index.ts'
import type { Ciphers, Random } from '../platform/index.ts'

/** A nonce as it stands in a header: number of the data key u16, salt 14 bytes, counter u64. */
export const NONCE_BYTES = 24
export const TAG_BYTES = 16
export const MAC_BYTES = 16
const SALT_AT = 2
const COUNTER_AT = 16
/** So often one salt is used. */
const COUNT_MAX = 0xffffffff
/** Keys of salts in memory: one an opening of the directory that has written what is being read. */
const SUBKEYS_MAX = 256
const SUBKEY_LABEL = utf8Bytes('quorate data key 1')

/** What a directory's keys are, unwrapped. */
export interface SealKeys {
  /** Data keys by number, 32 bytes each; new text is encrypted by the current one. Undefined: nothing is encrypted. */
  readonly encryption?: { readonly current: number; readonly keys: ReadonlyMap<number, Uint8Array> }
  /** 32 bytes. Undefined: nothing is signed, and pages have CRC-32. */
  readonly integrity?: Uint8Array
}

/**
 * Encrypts and signs for one data directory (docs/formats/keys.md). Each opening of a directory draws a salt, which gives a key of its own
 * under which a counter is the nonce: nothing is used twice, whatever was torn, cut off and written again, and however much is written.
 */
export class Seal {
  readonly isEncrypting: boolean
  readonly isSigning: boolean
  readonly #ciphers: Ciphers
  readonly #random: Random
  readonly #keys: SealKeys
  readonly #subkeys: Map<string, Uint8Array> = new Map()
  /** The present key number and salt; the counter follows. */
  readonly #nonce: Uint8Array = new Uint8Array(NONCE_BYTES)
  #subkey: Uint8Array = new Uint8Array(0)
  #count: number
  readonly #iv: Uint8Array = new Uint8Array(12)

  constructor(ciphers: Ciphers, random: Random, keys: SealKeys) {
    this.#ciphers = ciphers
    this.#random = random
    this.#keys = keys
    this.isEncrypting = keys.encryption !== undefined
    this.isSigning = keys.integrity !== undefined
    this.#count = COUNT_MAX
  }

  /** The first 16 bytes of SHA-256. */
  sum(parts: readonly Uint8Array[]): Uint8Array {
    return this.#ciphers.sha256(parts).subarray(0, 16)
  }

  /** hot path (bench/sealing): encrypts `parts` in place; `nonce` (24 bytes) and `tag` (16) are filled. */
  encrypt(associated: Uint8Array, parts: readonly Uint8Array[], nonce: Uint8Array, tag: Uint8Array): void {
    if (this.#count === COUNT_MAX) this.#newSalt()
    this.#count++
    writeU32(this.#nonce, COUNTER_AT, this.#count)
    nonce.set(this.#nonce)
    writeU32(this.#iv, 4, this.#count)
    tag.set(this.#ciphers.encrypt(this.#subkey, this.#iv, associated, parts))
  }

  /** The reverse, in place. False if the tag does not hold, or no key of the directory has this nonce's number. */
  decrypt(associated: Uint8Array, parts: readonly Uint8Array[], nonce: Uint8Array, tag: Uint8Array): boolean {
    const subkey = this.#subkeyOf(nonce)
    if (subkey === undefined) return false
    const iv = new Uint8Array(12)
    iv.set(nonce.subarray(COUNTER_AT), 4)
    return this.#ciphers.decrypt(subkey, iv, associated, tag, parts)
  }

  /** HMAC-SHA-256/128 over a word for what is signed, and `parts`. */
  sign(what: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
    return this.#ciphers.hmacSha256(this.#keys.integrity!, [what, ...parts]).subarray(0, MAC_BYTES)
  }

  /** Whether `mac` is what `sign` gives. */
  holds(what: Uint8Array, parts: readonly Uint8Array[], mac: Uint8Array): boolean {
    const expected = this.sign(what, parts)
    let difference = mac.length ^ MAC_BYTES
    for (let i = 0; i < MAC_BYTES; i++) difference |= expected[i]! ^ mac[i]!
    return difference === 0
  }

  /** `text` in a box: nonce, tag, MAC, then the text, encrypted if this directory is. `context`: what it is and where it belongs. */
  wrap(context: Uint8Array, text: Uint8Array): Uint8Array {
    const box = new Uint8Array(BOX_BYTES + text.length)
    const body = box.subarray(BOX_BYTES)
    body.set(text)
    if (this.isEncrypting)
      this.encrypt(context, [body], box.subarray(0, NONCE_BYTES), box.subarray(NONCE_BYTES, MAC_AT))
    if (this.isSigning) box.set(this.sign(context, [box.subarray(0, MAC_AT), body]), MAC_AT)
    return box
  }

  /** The text of a box, undefined if it is not one of this directory and `context`. `box` stays as it is. */
  unwrap(context: Uint8Array, box: Uint8Array): Uint8Array | undefined {
    if (box.length < BOX_BYTES) return undefined
    const head = box.subarray(0, BOX_BYTES)
    const body = box.slice(BOX_BYTES)
    const isSigned = this.isSigning
      ? this.holds(context, [head.subarray(0, MAC_AT), body], head.subarray(MAC_AT))
      : isZero(head.subarray(MAC_AT))
    if (!isSigned) return undefined
    const [nonce, tag] = [head.subarray(0, NONCE_BYTES), head.subarray(NONCE_BYTES, MAC_AT)]
    if (!this.isEncrypting) return isZero(head.subarray(0, MAC_AT)) ? body : undefined
    return this.decrypt(context, [body], nonce, tag) ? body : undefined
  }

  #newSalt(): void {
    const { current } = this.#keys.encryption!
    writeU16(this.#nonce, 0, current)
    this.#nonce.set(this.#random.bytes(COUNTER_AT - SALT_AT), SALT_AT)
    this.#subkey = this.#subkeyOf(this.#nonce)!
    this.#count = 0
  }

  #subkeyOf(nonce: Uint8Array): Uint8Array | undefined {
    const name = String.fromCharCode(...nonce.subarray(0, COUNTER_AT))
    const known = this.#subkeys.get(name)
    if (known !== undefined) return known
    const key = this.#keys.encryption?.keys.get(readU16(nonce, 0))
    if (key === undefined) return undefined
    const subkey = this.#ciphers.hmacSha256(key, [SUBKEY_LABEL, nonce.subarray(0, COUNTER_AT)])
    if (this.#subkeys.size >= SUBKEYS_MAX) this.#subkeys.clear()
    this.#subkeys.set(name, subkey)
    return subkey
  }
}

const MAC_AT = NONCE_BYTES + TAG_BYTES
/** What a box has before its text. */
export const BOX_BYTES: number = MAC_AT + MAC_BYTES

function isZero(bytes: Uint8Array): boolean {
  return bytes.every(byte => byte === 0)
}
