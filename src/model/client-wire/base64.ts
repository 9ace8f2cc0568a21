const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const INVALID = 255
const VALUES = new Uint8Array(128).fill(INVALID)
for (let i = 0; i < 64; i++) VALUES[ALPHABET.charCodeAt(i)] = i

/** RFC 4648 section 4, padded. Written out because rooms that browsers load have no Buffer. */
export function toBase64(bytes: Uint8Array): string {
  let text = ''
  let at = 0
  for (; at + 2 < bytes.length; at += 3) {
    const group = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!
    text +=
      ALPHABET[group >> 18]! + ALPHABET[(group >> 12) & 63]! + ALPHABET[(group >> 6) & 63]! + ALPHABET[group & 63]!
  }
  if (at + 1 === bytes.length) {
    const group = bytes[at]! << 4
    text += `${ALPHABET[group >> 6]!}${ALPHABET[group & 63]!}==`
  } else if (at < bytes.length) {
    const group = (bytes[at]! << 10) | (bytes[at + 1]! << 2)
    text += `${ALPHABET[group >> 12]!}${ALPHABET[(group >> 6) & 63]!}${ALPHABET[group & 63]!}=`
  }
  return text
}

/** The bytes of a padded, canonical base64 text; undefined for anything else. */
export function fromBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const digits = text.length - padding
  const bytes = new Uint8Array((text.length / 4) * 3 - padding)
  let out = 0
  let group = 0
  for (let i = 0; i < digits; i++) {
    const code = text.charCodeAt(i)
    const value = code < 128 ? VALUES[code]! : INVALID
    if (value === INVALID) return undefined
    group = (group << 6) | value
    if ((i & 3) === 3) {
      bytes[out++] = group >> 16
      bytes[out++] = group >> 8
      bytes[out++] = group
      group = 0
    }
  }
  // Bits that no byte takes are zero: one text per byte string.
  if (padding === 2) {
    if ((group & 15) !== 0) return undefined
    bytes[out] = group >> 4
  } else if (padding === 1) {
    if ((group & 3) !== 0) return undefined
    bytes[out] = group >> 10
    bytes[out + 1] = group >> 2
  }
  return bytes
}
