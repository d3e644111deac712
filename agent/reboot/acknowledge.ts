import { backoffMs, sleep } from '../backoff.ts'
import type { Context } from '../context.ts'
import { HttpError, reasonOf } from '../errors.ts'
import { backoffOf } from '../timings.ts'
import { sayWaiting } from '../waiting.ts'
import type { Remembered } from './memory.ts'

/** The server waits for this machine to restart; `ageMs` by both clocks since it was asked. */
export type Acknowledged = { ageMs(): number } | { retryAfterMs: number } | { lost: string }

const ATTEMPTS = 5

/**
 * Tells the server that the machine restarts now. Only its answer permits that, and an answer that was lost is asked
 * for again. Throws where the server cannot be asked now; it may have heard even so.
 */
export const acknowledge = async (context: Context, { id, bootId }: Remembered): Promise<Acknowledged> => {
  const { transport, timings, log, stop } = context
  for (let attempt = 0; ; attempt++) {
    const [wall, steady] = [Date.now(), performance.now()]
    try {
      await transport.request('POST', `/api/reboot/${id}/acknowledge`, { boot_id: bootId })
      return { ageMs: () => Math.max(Date.now() - wall, performance.now() - steady) }
    } catch (error) {
      if (!(error instanceof HttpError)) throw error
      const wait = error.body.retry_after_ms
      if (error.status === 409 && typeof wait === 'number') {
        sayWaiting(log, id, reasonOf(error))
        return { retryAfterMs: Math.max(0, wait) }
      }
      if (!error.passing) return { lost: reasonOf(error) }
      if (attempt + 1 >= ATTEMPTS || stop.aborted) throw error
      log.warn('The acknowledgement got no answer and is sent again.', { id, reason: reasonOf(error) })
      await sleep(backoffMs(attempt, backoffOf(timings)), stop)
    }
  }
}
