/**
 * Seeded random numbers as plain state (D-E): xoshiro128** 1.1 (Blackman and Vigna, public domain), seeded through
 * splitmix32. Not for secrets: it decides election timeouts and names attempts.
 */
export interface Rng {
  a: number
  b: number
  c: number
  d: number
}

/** Makes a generator; equal seeds (unsigned 32-bit) give equal sequences. */
export function createRng(seed: number): Rng {
  let x = seed >>> 0
  const next = (): number => {
    x = (x + 0x9e3779b9) >>> 0
    let z = x
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
    return (z ^ (z >>> 16)) >>> 0
  }
  return { a: next(), b: next(), c: next(), d: next() | 1 }
}

/** The next unsigned 32-bit number. */
export function nextUint32(rng: Rng): number {
  const x = Math.imul(rng.b, 5)
  const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0
  const t = rng.b << 9
  rng.c ^= rng.a
  rng.d ^= rng.b
  rng.b ^= rng.c
  rng.a ^= rng.d
  rng.c ^= t
  rng.d = (rng.d << 11) | (rng.d >>> 21)
  return result
}

/** A number in [0, 1). */
export function nextUnit(rng: Rng): number {
  return nextUint32(rng) / 0x1_0000_0000
}

/** An integer in [low, high]. */
export function nextBetween(rng: Rng, low: number, high: number): number {
  return low + Math.floor(nextUnit(rng) * (high - low + 1))
}
