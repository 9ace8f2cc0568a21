import type { Random } from '../index.ts'

/**
 * Seeded randomness: xoshiro128** (Blackman and Vigna, 2018), seeded by a 32-bit mixer.
 * `split` makes independent streams by name, so that one component's extra draw does not shift the draws of others.
 */
export class SeededRandom implements Random {
  readonly #key: readonly [number, number]
  #a: number
  #b: number
  #c: number
  #d: number

  /** `seed` is a non-negative safe integer, or the key of a stream made by `split`. */
  constructor(seed: number | readonly [number, number]) {
    if (typeof seed === 'number' && !(Number.isSafeInteger(seed) && seed >= 0)) {
      throw new RangeError(`a seed is a non-negative safe integer, not ${seed}`)
    }
    this.#key = typeof seed === 'number' ? [seed >>> 0, Math.floor(seed / 2 ** 32)] : seed
    this.#a = mix(this.#key[0] ^ 0x9e3779b9)
    this.#b = mix(this.#key[1] ^ this.#a)
    this.#c = mix(this.#a + this.#b)
    this.#d = mix(this.#b ^ (this.#c + 0x85ebca6b)) | 1 // the state must not be all zero
  }

  /** The stream called `label`: the same for the same seed and label, whatever was drawn before. */
  split(label: string): SeededRandom {
    let low = mix(this.#key[0] ^ 0x243f6a88)
    let high = mix(this.#key[1] ^ 0x13198a2e)
    for (let i = 0; i < label.length; i++) {
      low = mix(low ^ label.charCodeAt(i))
      high = mix(high + low)
    }
    return new SeededRandom([low, high])
  }

  u32(): number {
    const product = Math.imul(this.#b, 5)
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0
    const shifted = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= shifted
    this.#d = (this.#d << 11) | (this.#d >>> 21)
    return result
  }

  float(): number {
    return (this.u32() * 2 ** 21 + (this.u32() >>> 11)) / 2 ** 53
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let i = 0; i < length; i++) bytes[i] = this.u32() >>> 24
    return bytes
  }

  /** A uniform integer in [0, bound); `bound` is 1 to 2^32. */
  below(bound: number): number {
    return Math.floor((this.u32() / 2 ** 32) * bound)
  }

  /** A uniform integer in [low, high], both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  /** A uniform number in [low, high). */
  uniform(low: number, high: number): number {
    return low + this.float() * (high - low)
  }

  /** An exponentially distributed number with this mean, cut at ten times the mean. */
  exponential(mean: number): number {
    return Math.min(-Math.log(1 - this.float()), 10) * mean
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.u32() < probability * 2 ** 32
  }

  /** One of `choices`, which is not empty. */
  pick<T>(choices: readonly T[]): T {
    if (choices.length === 0) throw new RangeError('nothing to pick from')
    return choices[this.below(choices.length)] as T
  }
}

/** A bijective 32-bit finalizer (Wellons, lowbias32). */
function mix(value: number): number {
  let x = value >>> 0
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  return (x ^ (x >>> 16)) >>> 0
}
