/** One printed figure of a benchmark. */
export interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: '' | 'x' | 'ns' | 'us' | 'ms' | '/s' | 'B' | 'MiB/s'
}

/** What the seed asserts, and whether it holds. */
export interface Check {
  readonly what: string
  readonly isMet: boolean
}

export interface Outcome {
  /** The seed's function. */
  readonly benchmark: string
  readonly figures: readonly Figure[]
  readonly checks: readonly Check[]
}

/** Collects what one benchmark gives. */
export class Result {
  readonly #benchmark: string
  readonly #figures: Figure[] = []
  readonly #checks: Check[] = []

  constructor(benchmark: string) {
    this.#benchmark = benchmark
  }

  add(unit: Figure['unit'], values: Readonly<Record<string, number>>): this {
    for (const [name, value] of Object.entries(values)) this.#figures.push({ name, value, unit })
    return this
  }

  check(what: string, isMet: boolean): this {
    this.#checks.push({ what, isMet })
    return this
  }

  /** `value` must be at most `bound`, both printed. */
  atMost(name: string, value: number, bound: number): this {
    return this.check(`${name} ${value} <= ${bound}`, value <= bound)
  }

  atLeast(name: string, value: number, bound: number): this {
    return this.check(`${name} ${value} >= ${bound}`, value >= bound)
  }

  get outcome(): Outcome {
    return { benchmark: this.#benchmark, figures: this.#figures, checks: this.#checks }
  }
}

/** The element at round((n - 1) x p), as the seed takes it; 0 of nothing. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted.length === 0 ? 0 : sorted[Math.round((sorted.length - 1) * p)]!
}

/** p50 and p99 of durations in ms, in whole us or ns as the seed prints them, under `name`. */
export function percentiles(
  name: string,
  durationsMs: readonly number[],
  perMs: 1_000 | 1_000_000,
): Record<string, number> {
  const whole = durationsMs.map(ms => Math.floor(ms * perMs))
  return { [`${name}_p50`]: percentile(whole, 0.5), [`${name}_p99`]: percentile(whole, 0.99) }
}

export const US = 1_000
export const NS = 1_000_000
