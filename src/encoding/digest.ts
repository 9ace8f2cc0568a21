import { dataViewOf } from './bytes.ts'

/**
 * 64-bit digests in two 32-bit lanes, without bigint (docs/formats/digest.md). They compare replicas; they are no defence
 * against an adversary. The lanes use different multipliers and rotations, so they are not linearly dependent (as two seeds
 * of one CRC would be).
 */
export interface Digest64 {
  lo: number
  hi: number
}

const C1 = 0xcc9e2d51 | 0
const C2 = 0x1b873593 | 0
const C3 = 0x85ebca77 | 0
const C4 = 0xc2b2ae3d | 0

/** Of less, word for word out of single bytes: a view costs more than it saves. */
const LONG_BYTES = 128

export function zeroDigest(): Digest64 {
  return { lo: 0, hi: 0 }
}

/** Signed, because an unsigned number of 32 bits is an object on its way out of a function. */
function finish(h: number): number {
  h ^= h >>> 16
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** Digest of `bytes[start, end)`, mixed with `seedLo`/`seedHi`; the result is written to `out`. Hot path: bench/keyspace. */
export function digestBytes(
  out: Digest64,
  bytes: Uint8Array,
  start: number,
  end: number,
  seedLo: number = 0,
  seedHi: number = 0,
): void {
  if (end - start >= LONG_BYTES) {
    digestView(out, dataViewOf(bytes), start, end, seedLo, seedHi)
    return
  }
  let a = (seedLo ^ 0x9747b28c) | 0
  let b = (seedHi ^ 0x2f0b4c47) | 0
  let i = start
  for (const wordsEnd = end - 3; i < wordsEnd; i += 4) {
    const word = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)
    let k = Math.imul(word, C1)
    k = Math.imul((k << 15) | (k >>> 17), C2)
    a ^= k
    a = (Math.imul((a << 13) | (a >>> 19), 5) + 0xe6546b64) | 0
    let m = Math.imul(word ^ a, C3)
    m = Math.imul((m << 16) | (m >>> 16), C4)
    b ^= m
    b = (Math.imul((b << 17) | (b >>> 15), 9) + 0x38495ab5) | 0
  }
  let tail = 0
  for (let shift = 0; i < end; i++, shift += 8) tail |= bytes[i]! << shift
  endDigest(out, a, b, tail, end - start)
}

/** As `digestBytes`, of bytes of which there is a view already. Hot path: bench/apply. */
export function digestView(
  out: Digest64,
  view: DataView,
  start: number,
  end: number,
  seedLo: number = 0,
  seedHi: number = 0,
): void {
  let a = (seedLo ^ 0x9747b28c) | 0
  let b = (seedHi ^ 0x2f0b4c47) | 0
  let i = start
  for (const wordsEnd = end - 3; i < wordsEnd; i += 4) {
    const word = view.getInt32(i, true)
    let k = Math.imul(word, C1)
    k = Math.imul((k << 15) | (k >>> 17), C2)
    a ^= k
    a = (Math.imul((a << 13) | (a >>> 19), 5) + 0xe6546b64) | 0
    let m = Math.imul(word ^ a, C3)
    m = Math.imul((m << 16) | (m >>> 16), C4)
    b ^= m
    b = (Math.imul((b << 17) | (b >>> 15), 9) + 0x38495ab5) | 0
  }
  let tail = 0
  for (let shift = 0; i < end; i++, shift += 8) tail |= view.getUint8(i) << shift
  endDigest(out, a, b, tail, end - start)
}

/** Mixes in what is left of a word, and the length. */
function endDigest(out: Digest64, a: number, b: number, tail: number, length: number): void {
  const lo = finish(a ^ Math.imul(tail ^ C3, C1) ^ length)
  out.lo = lo >>> 0
  out.hi = finish(b ^ Math.imul(tail ^ C1, C4) ^ Math.imul(length, C2) ^ lo) >>> 0
}

/**
 * The digest of one record (DESIGN 7): of its full key (space included), versions, expiry and the digest and length of its
 * value. It does not depend on where the value lies (inline or extent), on pages or on caches.
 */
export function digestRecord(
  out: Digest64,
  key: Uint8Array,
  keyStart: number,
  keyEnd: number,
  versionSeq: number,
  createdSeq: number,
  expiresAtMicros: number,
  valueLength: number,
  valueDigest: Digest64,
): void {
  const lo = valueDigest.lo | 0
  const hi = valueDigest.hi | 0
  digestBytes(out, key, keyStart, keyEnd, lo, hi)
  mixInteger(out, versionSeq)
  mixInteger(out, createdSeq)
  mixInteger(out, expiresAtMicros)
  mixInteger(out, valueLength)
}

/** Mixes a non-negative safe integer into `d`. */
export function mixInteger(d: Digest64, value: number): void {
  const low = value | 0
  const high = Math.floor(value / 4294967296) | 0
  const lo = finish(Math.imul(d.lo ^ low, C1) ^ Math.imul(high, C4))
  d.lo = lo >>> 0
  d.hi = finish(Math.imul(d.hi ^ high, C3) ^ Math.imul(low, C2) ^ lo) >>> 0
}

/** sum := sum + d mod 2^64. */
export function addDigest(sum: Digest64, d: Digest64): void {
  const lo = sum.lo + d.lo
  sum.lo = lo >>> 0
  sum.hi = (sum.hi + d.hi + (lo > 0xffffffff ? 1 : 0)) >>> 0
}

/** sum := sum - d mod 2^64. */
export function subtractDigest(sum: Digest64, d: Digest64): void {
  const lo = sum.lo - d.lo
  sum.lo = lo >>> 0
  sum.hi = (sum.hi - d.hi - (lo < 0 ? 1 : 0)) >>> 0
}

export function equalDigests(a: Digest64, b: Digest64): boolean {
  return a.lo === b.lo && a.hi === b.hi
}

/** Sixteen lower-case hexadecimal digits. */
export function digestToHex(d: Digest64): string {
  return d.hi.toString(16).padStart(8, '0') + d.lo.toString(16).padStart(8, '0')
}
