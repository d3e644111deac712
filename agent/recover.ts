import { claimOperation } from './claim.ts'
import type { Context } from './context.ts'
import { reasonOf } from './errors.ts'
import type { Job } from './journal.ts'
import { settleContainer } from './proxmox/settle.ts'
import { graceFor } from './timings.ts'
import { finish, NOT_STARTED, verdictOf } from './verdict.ts'

/** Settles what an earlier process of this agent left behind; returns the jobs that are to be reported. */
export const recoverJobs = async (context: Context): Promise<Job[]> => {
  const finished: Job[] = []
  for (const job of context.journal.all()) {
    if (job.state === 'finished') finished.push(job)
    if (!isAbandoned(job)) continue
    try {
      finished.push(await settleAbandoned(context, job))
    } catch (error) {
      if (!job.container) throw error
      // It is tried again with the next look at what is ordered; all others need not wait for it.
      context.log.warn('A job in a container could not be settled now.', {
        id: job.id,
        reason: reasonOf(error),
      })
    }
  }
  return finished
}

/** True for a job whose operation this agent was given, and which ends only by our doing. */
export const isAbandoned = ({ state }: Job) => state === 'starting' || state === 'running'

/** Ends a job nobody works on: stops what is left of its script, and writes down what came of it. */
export const settleAbandoned = async (context: Context, job: Job): Promise<Job> => {
  const { journal, scripts, log, timings } = context
  if (job.container) return settleContainer(context, job)
  if (job.state === 'starting') return finish(context, job, NOT_STARTED)
  const left = job.process && scripts.lives(job.process) ? job.process : undefined
  // It ended by itself while nobody watched: what its processes left in the background is none of ours.
  const exitCode = journal.exitCode(job.id)
  if (exitCode !== undefined && !job.stopping) return finish(context, job, { exitCode })
  const stopping = job.stopping ?? 'interrupted'
  if (left) {
    log.warn('A script that nobody watches still lives and is stopped.', { id: job.id, pid: left.pid })
    journal.save({ ...job, stopping })
    await scripts.stop(left, graceFor(job.mode, timings))
  }
  return finish(context, { ...job, stopping }, verdictOf(stopping, journal.exitCode(job.id)))
}

/**
 * A claim that was sent, and whose operation is not open any more. The server may hold the target's lock for it, so
 * it is told that nothing ran; where the server knows nothing of the claim, it is dropped.
 */
export const settleClaim = async (context: Context, job: Job): Promise<Job | undefined> => {
  const claimed = await claimOperation(context, job)
  if ('permit' in claimed) return finish(context, job, NOT_STARTED)
  context.journal.forget(job.id)
  return undefined
}
