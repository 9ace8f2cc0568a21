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

/** Sums of as many floats below this as there can be stay finite. */
const LARGE = 2 ** 960
/** Nor can they make much less of this. */
const HUGE = 2 ** 1010
const SCALE = 2 ** -200

/**
 * The correctly rounded sum of floats, whatever their order (Shewchuk 1997, as Python's fsum): the partial sums do not overlap and are
 * exact together. Large floats are summed apart, scaled down, so that no order of theirs overflows on the way.
 */
export class FloatSum {
  readonly #partials: number[] = []
  readonly #large: number[] = []
  #count = 0

  add(value: number): void {
    this.#count++
    if (Math.abs(value) < LARGE) addTo(this.#partials, value)
    else addTo(this.#large, value * SCALE)
  }

  get count(): number {
    return this.#count
  }

  /** @throws QuorateError `overflow` beyond the largest float */
  total(): number {
    const isHuge = Math.abs(this.#large.at(-1) ?? 0) >= HUGE * SCALE
    const partials: number[] = []
    for (const partial of this.#partials) addTo(partials, isHuge ? shrink(partial) : partial)
    for (const partial of this.#large) addTo(partials, isHuge ? partial : partial / SCALE)
    const sum = isHuge ? rounded(partials) / SCALE : rounded(partials)
    if (!Number.isFinite(sum)) throw new QuorateError('overflow', 'a sum of floats is beyond the largest one')
    return sum === 0 ? 0 : sum
  }
}

/** Beside a huge sum the smallest floats matter by their sign alone. */
function shrink(partial: number): number {
  const scaled = partial * SCALE
  return scaled === 0 ? Math.sign(partial) * Number.MIN_VALUE : scaled
}

function rounded(partials: readonly number[]): number {
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
  return high
}

/** Adds a float to partial sums: errors of each addition are kept. */
function addTo(partials: number[], value: number): void {
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
