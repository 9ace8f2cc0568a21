import { narrow } from '../../encoding/index.ts'
import { QuorateError } from '../../model/index.ts'

const MIN = -(1n << 255n)
const MAX = (1n << 256n) - 1n

/** An exact sum of integers of any width. */
export class IntegerSum {
  #small = 0
  #large = 0n
  #count = 0

  add(value: number | bigint): void {
    this.#count++
    if (typeof value === 'number') {
      const sum = this.#small + value
      if (Number.isSafeInteger(sum)) {
        this.#small = sum
        return
      }
    }
    this.#large += BigInt(value)
  }

  get count(): number {
    return this.#count
  }

  get exact(): bigint {
    return this.#large + BigInt(this.#small)
  }

  /** In the form of 256-bit columns if `isWide`. @throws QuorateError `overflow` beyond 256 bits */
  total(isWide: boolean): number | bigint {
    const total = this.exact
    if (total < MIN || total > MAX) throw new QuorateError('overflow', 'a sum has more than 256 bits')
    return isWide ? total : narrow(total)
  }
}

/**
 * The correctly rounded sum of floats, whatever their order (Shewchuk 1997, as Python's fsum): the partial sums do not overlap and are
 * exact together.
 */
export class FloatSum {
  readonly #partials: number[] = []
  #count = 0

  add(value: number): void {
    this.#count++
    const partials = this.#partials
    let rest = value
    let kept = 0
    for (const partial of partials) {
      const isLarger = Math.abs(rest) >= Math.abs(partial)
      const large = isLarger ? rest : partial
      const small = isLarger ? partial : rest
      const high = large + small
      const low = small - (high - large)
      if (low !== 0) partials[kept++] = low
      rest = high
    }
    partials.length = kept
    partials.push(rest)
  }

  get count(): number {
    return this.#count
  }

  /** @throws QuorateError `overflow` beyond the largest float */
  total(): number {
    const partials = this.#partials
    let at = partials.length - 1
    let high = partials[at--] ?? 0
    let low = 0
    while (at >= 0) {
      const x = high
      const y = partials[at--]!
      high = x + y
      low = y - (high - x)
      if (low !== 0) break
    }
    // Half-way between two floats, the rest decides.
    if (at >= 0 && ((low < 0 && partials[at]! < 0) || (low > 0 && partials[at]! > 0))) {
      const twice = low * 2
      const x = high + twice
      if (twice === x - high) high = x
    }
    if (!Number.isFinite(high)) throw new QuorateError('overflow', 'a sum of floats is beyond the largest one')
    return high === 0 ? 0 : high
  }
}
