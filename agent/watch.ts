import { aborted } from './backoff.ts'
import type { Context } from './context.ts'
import { reasonOf } from './errors.ts'
import type { Job, Stopping } from './journal.ts'
import { type Operation, TIMEOUT_SECONDS_DEFAULT } from './operation-record.ts'
import type { Spawned } from './process.ts'
import { graceFor } from './timings.ts'

export type Watched = {
  child: Spawned
  /** Why the script is to be ended: its reason is a `Stopping`. */
  halt: AbortController
  /** Ends it, after `graceMs` by force; by default the processes of this host. */
  stop?: (job: Job, graceMs: number) => Promise<void>
}

/**
 * Stays with a running script until it has ended, and stops it where `halt` says so. Returns the job as it then is,
 * with `stopping` where the agent ended it.
 */
export const watchScript = async (
  context: Context,
  job: Job,
  operation: Operation,
  { child, halt, stop = (_, graceMs) => context.scripts.stop(child.id, graceMs) }: Watched,
): Promise<Job> => {
  const { journal, timings, log } = context
  const seconds = operation.timeout_seconds || TIMEOUT_SECONDS_DEFAULT
  const timer = setTimeout(() => halt.abort('timeout'), Math.min(seconds * 1000, 2 ** 31 - 1))
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
    await stop(stopped, graceFor(job.mode, timings))
    await child.ended
    return stopped
  } finally {
    clearTimeout(timer)
  }
}
