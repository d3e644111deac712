import { aborted } from './backoff.ts'
import { sendClaim } from './claim.ts'
import type { Context } from './context.ts'
import { reasonOf } from './errors.ts'
import type { Job, Stopping, Verdict } from './journal.ts'
import { type Operation, TIMEOUT_SECONDS_DEFAULT } from './operation-record.ts'
import type { Spawned } from './process.ts'
import { graceFor } from './timings.ts'

/** A patch script's code for: stopped by a signal before anything was installed. */
const STOPPED = 108
/** A shell's codes from here on say that a signal ended the script. */
const SIGNALLED = 128

/** What to report of a job whose process has ended. */
export const verdictOf = (stopping: Stopping | undefined, exitCode: number | undefined): Verdict => {
  if (exitCode !== undefined && !stopping) return { exitCode }
  if (stopping === 'timeout')
    return {
      status: 'failed',
      outcome: 'timeout',
      message: 'The script ran longer than it may and was stopped.',
    }
  // A transaction that has begun is not stopped half-way: what came of it is what counts.
  if (exitCode !== undefined && exitCode !== STOPPED && exitCode < SIGNALLED) return { exitCode }
  if (stopping === 'cancelled') return { status: 'cancelled', message: 'The script was stopped on request.' }
  const message = 'The script did not end by itself; its output is what it had written until then.'
  return { status: 'failed', outcome: 'interrupted', message }
}

/**
 * Stays with a running script until it has ended: renews the lease, and stops the script where `halt` says so,
 * whose reason is a `Stopping`. Returns the job as it then is, with `stopping` where the agent ended it.
 */
export const watchScript = async (
  context: Context,
  job: Job,
  operation: Operation,
  child: Spawned,
  halt: AbortController,
): Promise<Job> => {
  const { journal, scripts, timings, log } = context
  const renew = async () => {
    try {
      const renewed = await sendClaim(context, job)
      if (renewed.operation.cancel_requested_at) halt.abort('cancelled')
    } catch (error) {
      // The script runs on: ending a package manager in the middle is worse than a lease that ran out.
      log.warn('The lease was not renewed.', { id: job.id, reason: reasonOf(error) })
    }
  }
  const seconds = operation.timeout_seconds || TIMEOUT_SECONDS_DEFAULT
  const timers = [
    setInterval(renew, timings.renewMs),
    setTimeout(() => halt.abort('timeout'), Math.min(seconds * 1000, 2 ** 31 - 1)),
  ]
  try {
    await Promise.race([child.ended, aborted(halt.signal)])
    // What had ended by itself when the order came keeps its real result.
    if (!halt.signal.aborted || journal.exitCode(job.id) !== undefined) {
      await child.ended
      return job
    }
    const stopping = halt.signal.reason as Stopping
    log.info('Stopping the script.', { id: job.id, because: stopping })
    const stopped = { ...job, stopping }
    try {
      journal.save(stopped)
    } catch (error) {
      // A full disk is no reason to let it run on; only a crash before its end would make its verdict vaguer.
      log.warn('Why the script is stopped could not be written down.', {
        id: job.id,
        reason: reasonOf(error),
      })
    }
    await scripts.stop(child.id, graceFor(job.mode, timings))
    await child.ended
    return stopped
  } finally {
    for (const timer of timers) clearTimeout(timer)
  }
}
