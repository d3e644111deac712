import { sleep } from '../backoff.ts'
import type { Context } from '../context.ts'
import { Revoked, reasonOf } from '../errors.ts'
import type { Job, Verdict } from '../journal.ts'
import { keepLease } from '../lease.ts'
import { finish } from '../verdict.ts'
import { type ContainerJob, openContainerJob } from './container-job.ts'
import { askInside } from './inside.ts'
import { askPct, called, isRunning, PctError } from './pct.ts'
import { putRight } from './put-right.ts'
import { endLeft, HOST_GRACE_MS, judge } from './script-end.ts'
import { awaitStep, runStep } from './step.ts'
import { stopInside } from './stop-inside.ts'
import { lastSignOf, signAfterStep, tooLate } from './too-late.ts'
import { trying } from './trying.ts'

/**
 * Ends a job whose script has ended, or was never started, or was left by an earlier run of the agent: nothing of
 * ours stays in the container, it is taken back to its snapshot where that is called for, and what we have started
 * is stopped. Each part asks what there is to do, so that it can be done again after an interruption anywhere.
 * `isOwn`: this run of the agent has begun it. Throws where the agent is to stop meanwhile.
 */
export const settleContainer = async (context: Context, begun: Job, isOwn = false): Promise<Job> => {
  const { container } = begun
  if (!container) throw new Error(`Job ${begun.id} is not one in a container.`)
  using _lease = keepLease(context, begun)
  const at = openContainerJob(context, { ...begun, container }, leaving(context))
  const cameAt = new Date()
  const lastSign = container.lastSign ?? new Date(lastSignOf(context, begun)).toISOString()
  at.save({ settlingSince: container.settlingSince ?? cameAt.toISOString(), lastSign })
  at.say('=== Afterwards ===')
  await awaitStep(at)
  if (!(await isThere(at))) {
    if (begun.process) await context.scripts.stop(begun.process, HOST_GRACE_MS)
    const gone = `${called(at.part)} is not on this node any more; what was done in it is left as it is.`
    return finish(context, at.job, explained(await judge(at), gone))
  }
  if (!isOwn) await judgeAge(at, cameAt)
  await endLeft(at)
  const judged = await judge(at)
  // From here on it is the agent itself that may be interrupted.
  if (!at.job.verdict && at.part.late === undefined) at.save({ lastSign: new Date().toISOString() })
  at.save({}, { verdict: judged })
  // Before anything else, as it may have to be looked for in vain where the container does not answer.
  await leave(at).catch((error: unknown) => at.say(`Our folder is still there: ${reasonOf(error)}`))
  const verdict = await putRight(at, judged)
  const stopped = at.job.stopping && !at.part.undone
  const notes = [
    stopped &&
      (await trying(at, 'The script could not be ended in it', () => stopInside(at, HOST_GRACE_MS, at.halt))),
    await trying(at, 'What was pushed could not be removed', () => leave(at)),
    await trying(at, 'It could not be stopped again', () => stopAgain(at)),
  ].filter(Boolean)
  return finish(context, at.job, explained(verdict, notes.join(' ')))
}

/** Writes down where the run was interrupted too long ago for the container to be taken back. */
const judgeAge = async (at: ContainerJob, cameAt: Date): Promise<void> => {
  if (at.part.late !== undefined) return
  const late = await tooLate(at, signAfterStep(at), cameAt.getTime())
  if (!late) return
  // What somebody else has started is not ours to stop.
  at.save({ late: late.why, ...(late.startedAnew ? { started: undefined } : {}) })
}

/** Aborted when the agent is to stop and there will be a next run of it. */
const leaving = ({ stop }: Context): AbortSignal => {
  const left = new AbortController()
  const look = () => {
    if (!(stop.reason instanceof Revoked)) left.abort(stop.reason)
  }
  if (stop.aborted) look()
  else stop.addEventListener('abort', look, { once: true })
  return left.signal
}

/** False where it was deleted or has moved to another node. */
const isThere = async ({ context, part }: ContainerJob): Promise<boolean> => {
  try {
    await askPct(context, ['config', `${part.vmid}`])
    return true
  } catch (error) {
    // Everything else may pass.
    return !/does not exist/.test(reasonOf(error))
  }
}

/** Removes our folder. What is stopped has nothing in memory. */
const leave = async (at: ContainerJob): Promise<void> => {
  const { context, part } = at
  if (!part.entered || !(await isRunning(context, part.vmid))) return
  await askInside(context, part.vmid, 'LEAVE', part.folder)
  at.save({ entered: false })
}

const stopAgain = async (at: ContainerJob): Promise<void> => {
  const { context, part } = at
  const { timings } = context
  if (!part.started || !(await isRunning(context, part.vmid))) return
  const seconds = `${Math.ceil(timings.shutdownMs / 1000)}`
  await runStep(at, ['shutdown', `${part.vmid}`, '--timeout', seconds, '--forceStop', '1'])
  const until = performance.now() + timings.shutdownMs
  while (await isRunning(context, part.vmid)) {
    if (performance.now() >= until) throw new PctError('it still runs.')
    if (at.halt.aborted) throw new PctError('the agent is stopped while it shuts down.')
    await sleep(timings.containerPollMs, at.halt)
  }
}

const explained = (verdict: Verdict, more: string): Verdict =>
  more ? { ...verdict, message: [verdict.message, more].filter(Boolean).join(' ') } : verdict
