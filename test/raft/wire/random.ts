/** Seeded randomness for damage: QUORATE_SEED, or a fixed seed; printed, so that a failure can be repeated. */
export const seed = Number(process.env['QUORATE_SEED'] ?? 1)
console.log(`seed ${seed}`)

/** xorshift32. Integers from 0 below `bound`. */
export function createRandom(from: number): (bound: number) => number {
  let state = (from * 2654435761) >>> 0 || 1
  return bound => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state % bound
  }
}

export function randomBytes(random: (bound: number) => number, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random(256))
}

/** A copy with one to four bits flipped, or cut, or with a stretch overwritten by 0x00 or 0xFF. */
export function damage(random: (bound: number) => number, original: Uint8Array): Uint8Array {
  const copy = original.slice()
  switch (random(4)) {
    case 0:
      return copy.subarray(0, random(copy.length))
    case 1: {
      const start = random(copy.length)
      return copy.fill(random(2) === 0 ? 0 : 0xff, start, start + 1 + random(8))
    }
    default:
      for (let flips = 1 + random(4); flips > 0; flips--) {
        const at = random(copy.length)
        copy[at] = copy[at]! ^ (1 << random(8))
      }
      return copy
  }
}
