import { sendClaim } from './claim.ts'
import type { Context } from './context.ts'
import { reasonOf } from './errors.ts'
import type { Job } from './journal.ts'

/** Renews a job's claim until it is disposed of; `halt` is told where the server wants the job ended. */
export const keepLease = (context: Context, job: Job, halt?: AbortController): Disposable => {
  const renew = async () => {
    try {
      const renewed = await sendClaim(context, job)
      if (renewed.operation.cancel_requested_at) halt?.abort('cancelled')
    } catch (error) {
      // The work goes on: ending a package manager in the middle is worse than a lease that ran out.
      context.log.warn('The lease was not renewed.', { id: job.id, reason: reasonOf(error) })
    }
  }
  const timer = setInterval(renew, context.timings.renewMs)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
