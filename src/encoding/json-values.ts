import { MalformedBytes } from './bytes.ts'

/** Bytes and large integers in JSON: bytes as {"$b": base64}, integers beyond 2^53 as strings of digits. */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const DIGITS: Int8Array = new Int8Array(128).fill(-1)
for (let i = 0; i < 64; i++) DIGITS[ALPHABET.charCodeAt(i)] = i

/** Base64 with padding (RFC 4648 section 4). */
export function toBase64(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i
    const group = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0)
    text += ALPHABET[group >>> 18]! + ALPHABET[(group >>> 12) & 63]!
    text += left > 1 ? ALPHABET[(group >>> 6) & 63]! : '='
    text += left > 2 ? ALPHABET[group & 63]! : '='
  }
  return text
}

/** Reads canonical base64: padded, no line ends, unused bits zero; so that two texts never mean the same bytes. */
export function fromBase64(text: string): Uint8Array {
  const { length } = text
  if (length % 4 !== 0) throw new MalformedBytes('base64: length')
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const bytes = new Uint8Array((length / 4) * 3 - padding)
  const digits = length - padding
  let group = 0
  let at = 0
  for (let i = 0; i < digits; i++) {
    const digit = DIGITS[text.charCodeAt(i)] ?? -1
    if (digit < 0) throw new MalformedBytes(`base64: character ${i}`)
    group = (group << 6) | digit
    if (i % 4 === 3) {
      bytes[at++] = group >>> 16
      bytes[at++] = group >>> 8
      bytes[at++] = group
      group = 0
    }
  }
  if (padding === 1) {
    bytes[at++] = group >>> 10
    bytes[at++] = group >>> 2
  } else if (padding === 2) bytes[at++] = group >>> 4
  const unused = padding === 1 ? group & 3 : padding === 2 ? group & 15 : 0
  if (unused !== 0) throw new MalformedBytes('base64: bits after the end')
  return bytes
}

/** An integer as JSON: a number up to 2^53, a text of digits beyond. */
export function integerToJson(value: bigint): number | string {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value.toString()
}

/** A copy of plain data in which bytes and bigints have their JSON form. */
export function bytesToJson(value: unknown): unknown {
  if (value instanceof Uint8Array) return { $b: toBase64(value) }
  if (typeof value === 'bigint') return integerToJson(value)
  if (Array.isArray(value)) return value.map(bytesToJson)
  if (typeof value !== 'object' || value === null) return value
  const copy: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(value)) if (field !== undefined) copy[name] = bytesToJson(field)
  return copy
}
