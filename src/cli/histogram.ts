const SUB_BUCKET_BITS = 7
const SUB_BUCKETS = 1 << SUB_BUCKET_BITS

/**
 * Counts of durations in buckets whose width grows with the value, so that every percentile is right to within a hundredth, in
 * constant memory whatever is recorded (the idea of HdrHistogram).
 */
export class Histogram {
  readonly #counts = new Float64Array(64 * SUB_BUCKETS)
  #count = 0
  #maxMicros = 0
  #sumMicros = 0

  get count(): number {
    return this.#count
  }

  get maxMs(): number {
    return this.#maxMicros / 1000
  }

  get meanMs(): number {
    return this.#count === 0 ? 0 : this.#sumMicros / this.#count / 1000
  }

  record(durationMs: number): void {
    const micros = Math.max(0, Math.round(durationMs * 1000))
    this.#counts[bucketOf(micros)]!++
    this.#count++
    this.#sumMicros += micros
    this.#maxMicros = Math.max(this.#maxMicros, micros)
  }

  /** The smallest duration, in ms, that `percent` of all recorded ones do not exceed. */
  percentileMs(percent: number): number {
    const wanted = Math.max(1, Math.ceil((this.#count * percent) / 100))
    let seen = 0
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      seen += this.#counts[bucket]!
      if (seen >= wanted) return Math.min(upperEdgeOf(bucket), this.#maxMicros) / 1000
    }
    return this.maxMs
  }
}

function bucketOf(micros: number): number {
  const exponent = Math.max(0, Math.floor(Math.log2(micros + 1)) - SUB_BUCKET_BITS + 1)
  const within = Math.floor(micros / 2 ** exponent)
  return Math.min(exponent * SUB_BUCKETS + within, 64 * SUB_BUCKETS - 1)
}

function upperEdgeOf(bucket: number): number {
  const exponent = Math.floor(bucket / SUB_BUCKETS)
  return ((bucket % SUB_BUCKETS) + 1) * 2 ** exponent - 1
}
