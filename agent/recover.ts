import { claimOperation } from './claim.ts'
import type { Context } from './context.ts'
import type { Job } from './journal.ts'
import { finish } from './operation.ts'
import { groupLives, stopGroup } from './process.ts'
import { graceFor } from './timings.ts'
import { verdictOf } from './watch.ts'

const NOT_STARTED = {
  status: 'failed',
  outcome: 'not_started',
  message: 'The agent ended between the claim and the start of the script. Nothing was run.',
} as const

/** Settles what an earlier process of this agent left behind; returns the jobs that are to be reported. */
export const recoverJobs = async (context: Context): Promise<Job[]> => {
  const { journal, log, timings } = context
  const finished: Job[] = []
  for (const job of journal.all()) {
    if (job.state === 'finished') finished.push(job)
    if (job.state === 'starting') finished.push(finish(context, job, NOT_STARTED))
    if (job.state !== 'running') continue
    const left = job.process && groupLives(job.process) ? job.process : undefined
    // It ended by itself while nobody watched: what its processes left in the background is none of ours.
    const exitCode = journal.exitCode(job.id)
    if (exitCode !== undefined && !job.stopping) {
      finished.push(finish(context, job, { exitCode }))
      continue
    }
    const stopping = job.stopping ?? 'interrupted'
    if (left) {
      log.warn('A script of an earlier run of the agent still lives and is stopped.', {
        id: job.id,
        pid: left.pid,
      })
      journal.save({ ...job, stopping })
      await stopGroup(left, graceFor(job.mode, timings))
    }
    finished.push(finish(context, { ...job, stopping }, verdictOf(stopping, journal.exitCode(job.id))))
  }
  return finished
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
