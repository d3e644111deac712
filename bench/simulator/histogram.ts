const LOWEST_MS = 0.05
/** Two neighbouring buckets differ by this factor, so a percentile is at most this much too high. */
const STEP = 1.05
const BUCKETS = 400

export type Percentiles = { count: number; p50: number; p90: number; p99: number; max: number }

/** Times in milliseconds, in little memory however many there are. */
export class Histogram {
  count = 0
  max = 0
  #buckets = new Uint32Array(BUCKETS)

  add(ms: number): void {
    const at = ms <= LOWEST_MS ? 0 : Math.ceil(Math.log(ms / LOWEST_MS) / Math.log(STEP))
    const bucket = Math.min(BUCKETS - 1, at)
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1
    this.count++
    this.max = Math.max(this.max, ms)
  }

  /** The value that the given share of the times does not exceed; 0 where there are none. */
  percentile(share: number): number {
    let left = Math.ceil(this.count * share)
    for (let at = 0; at < BUCKETS && left > 0; at++) {
      left -= this.#buckets[at] ?? 0
      if (left <= 0) return Math.min(this.max, LOWEST_MS * STEP ** at)
    }
    return 0
  }

  percentiles(): Percentiles {
    const round = (ms: number) => Math.round(ms * 10) / 10
    return {
      count: this.count,
      p50: round(this.percentile(0.5)),
      p90: round(this.percentile(0.9)),
      p99: round(this.percentile(0.99)),
      max: round(this.max),
    }
  }
}
