import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { TooManyRequests } from './errors.ts'

export type RateLimit = {
  /** Counts one attempt; throws TooManyRequests when there were too many. */
  spend(key: string): Promise<void>
  /** Takes one attempt back: it was a good one. */
  refund(key: string): Promise<void>
  forget(key: string): Promise<void>
}

/** At most `points` attempts per key in `seconds`. Counted per process. */
export function rateLimit(points: number, seconds: number): RateLimit {
  const limiter = new RateLimiterMemory({ points, duration: seconds })
  return {
    async spend(key) {
      try {
        await limiter.consume(key)
      } catch (error) {
        if (error instanceof RateLimiterRes) throw new TooManyRequests(error.msBeforeNext / 1000)
        throw error
      }
    },
    async refund(key) {
      await limiter.reward(key)
    },
    async forget(key) {
      await limiter.delete(key)
    },
  }
}
