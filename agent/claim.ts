import { backoffMs, sleep } from './backoff.ts'
import type { Context } from './context.ts'
import { HttpError, reasonOf } from './errors.ts'
import type { Job } from './journal.ts'
import { Operation } from './operation-record.ts'
import { backoffOf } from './timings.ts'
import { sayWaiting } from './waiting.ts'

/** The right to start, which grows old. */
export type Permit = {
  operation: Operation
  /** Since the server gave it, by the server's clock up to its answer and by both of ours after that. */
  ageMs(): number
}
export type Claimed = { permit: Permit } | { retryAfterMs: number } | { lost: string }

const ATTEMPTS = 5

/** Sends the claim, or renews it: the same claim may be sent as often as one likes. */
export const sendClaim = async ({ transport }: Context, job: Job): Promise<Permit> => {
  const [wall, steady] = [Date.now(), performance.now()]
  const path = `/api/collections/patch_operations/records/${job.id}`
  const { data, serverNow } = await transport.request('PATCH', path, { status: 'running', claim: job.claim })
  const operation = Operation.parse(data)
  // This answer may repeat one that was lost: what counts is when the server gave the claim first.
  const given = Date.parse(operation.started_at ?? '')
  const before = serverNow !== undefined && !Number.isNaN(given) ? Math.max(0, serverNow - given) : 0
  return { operation, ageMs: () => before + Math.max(Date.now() - wall, performance.now() - steady) }
}

/**
 * Claims an operation whose claim is on the disk already. Throws where the server cannot be asked now; the claim
 * may have arrived even so.
 */
export const claimOperation = async (context: Context, job: Job): Promise<Claimed> => {
  for (let attempt = 0; ; attempt++) {
    try {
      const permit = await sendClaim(context, job)
      const { status } = permit.operation
      return status === 'running' ? { permit } : { lost: `it is ${status}` }
    } catch (error) {
      if (!(error instanceof HttpError)) throw error
      const wait = error.body.retry_after_ms
      if (error.status === 409 && typeof wait === 'number') {
        sayWaiting(context.log, job.id, reasonOf(error))
        return { retryAfterMs: Math.max(0, wait) }
      }
      if (!error.passing) return { lost: reasonOf(error) }
      if (attempt + 1 >= ATTEMPTS || context.stop.aborted) throw error
      context.log.warn('The claim got no answer and is sent again.', { id: job.id, reason: reasonOf(error) })
      await sleep(backoffMs(attempt, backoffOf(context.timings)), context.stop)
    }
  }
}
