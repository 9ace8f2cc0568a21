const SUB_BUCKET_BITS = 7
const SUB_BUCKETS = 1 << SUB_BUCKET_BITS
/** An hour and eleven minutes: what takes longer counts as that. */
const MICROS_MAX = 0xfffffffe
const BUCKETS = (33 - SUB_BUCKET_BITS) * SUB_BUCKETS

/** Durations as they were recorded, ms; zeros where there were none. Percentiles are right to within a hundredth. */
export interface DurationSummary {
  readonly count: number
  readonly meanMs: number
  readonly p50Ms: number
  readonly p90Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  readonly maxMs: number
}

/**
 * Counts of durations in buckets whose width grows with the value, so that every percentile is right to within a hundredth, in
 * constant memory whatever is recorded (the idea of HdrHistogram).
 */
export class DurationHistogram {
  readonly #counts = new Float64Array(BUCKETS)
  #count = 0
  #maxMicros = 0
  #sumMicros = 0

  get count(): number {
    return this.#count
  }

  get maxMs(): number {
    return this.#maxMicros / 1000
  }

  get sumMs(): number {
    return this.#sumMicros / 1000
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

  /** All of it as numbers. */
  summary(): DurationSummary {
    return {
      count: this.#count,
      meanMs: this.meanMs,
      p50Ms: this.percentileMs(50),
      p90Ms: this.percentileMs(90),
      p99Ms: this.percentileMs(99),
      p999Ms: this.percentileMs(99.9),
      maxMs: this.maxMs,
    }
  }

  /** The smallest duration, in ms, that `percent` of all recorded ones do not exceed. */
  percentileMs(percent: number): number {
    const wanted = Math.max(1, Math.ceil((this.#count * percent) / 100))
    let seen = 0
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket]!
      if (seen >= wanted) return Math.min(upperEdgeOf(bucket), this.#maxMicros) / 1000
    }
    return this.maxMs
  }
}

function bucketOf(micros: number): number {
  const bounded = Math.min(micros, MICROS_MAX)
  const exponent = Math.max(0, 32 - Math.clz32(bounded + 1) - SUB_BUCKET_BITS)
  return exponent * SUB_BUCKETS + (bounded >>> exponent)
}

function upperEdgeOf(bucket: number): number {
  const exponent = Math.floor(bucket / SUB_BUCKETS)
  return ((bucket % SUB_BUCKETS) + 1) * 2 ** exponent - 1
}
