/** Upper bounds of the buckets, seconds: each about twice the one before, from 100 us to half a minute. */
const BOUNDS_SECONDS = [
  0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30,
] as const

/** How long something took, counted in buckets. Costs a few comparisons a value and no memory. */
export class LatencyHistogram {
  readonly #counts = new Uint32Array(BOUNDS_SECONDS.length + 1)
  #sumSeconds = 0
  #count = 0

  get count(): number {
    return this.#count
  }

  get sumSeconds(): number {
    return this.#sumSeconds
  }

  record(ms: number): void {
    const seconds = ms / 1000
    let bucket = 0
    while (bucket < BOUNDS_SECONDS.length && seconds > BOUNDS_SECONDS[bucket]!) bucket++
    this.#counts[bucket]!++
    this.#sumSeconds += seconds
    this.#count++
  }

  /** How many values were at most each bound; the last bound is infinite. */
  cumulative(): { boundSeconds: number; count: number }[] {
    let count = 0
    return [...BOUNDS_SECONDS, Number.POSITIVE_INFINITY].map((boundSeconds, i) => {
      count += this.#counts[i]!
      return { boundSeconds, count }
    })
  }
}
