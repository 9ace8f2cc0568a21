import { createRng, nextBetween, nextUint32, nextUnit, type Rng } from '../../../../src/raft/core/rng.ts'

/** Seeded chance for one component: a draw added in one place does not shift the others. */
export class Chance {
  readonly #rng: Rng

  constructor(seed: number, component: number) {
    this.#rng = createRng(Math.imul(seed, 0x9e3779b1) ^ Math.imul(component + 1, 0x85ebca77))
  }

  uint32(): number {
    return nextUint32(this.#rng)
  }

  /** An integer in [low, high]. */
  between(low: number, high: number): number {
    return nextBetween(this.#rng, low, high)
  }

  isTrue(probability: number): boolean {
    return nextUnit(this.#rng) < probability
  }

  /** An exponentially distributed number. */
  exponential(mean: number): number {
    return -Math.log(1 - nextUnit(this.#rng)) * mean
  }

  pick<T>(items: readonly T[]): T {
    return items[this.between(0, items.length - 1)]!
  }

  shuffle<T>(items: readonly T[]): T[] {
    const result = [...items]
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.between(0, i)
      const swap = result[i]!
      result[i] = result[j]!
      result[j] = swap
    }
    return result
  }
}
