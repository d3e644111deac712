import { rmSync } from 'node:fs'
import { sleep } from '../backoff.ts'
import type { Context } from '../context.ts'
import { Revoked, reasonOf } from '../errors.ts'
import type { Job, Verdict } from '../journal.ts'
import { keepLease } from '../lease.ts'
import type { ProcessId } from '../process.ts'
import { finish, isSuccess, NOT_STARTED, notStarted, verdictOf } from '../verdict.ts'
import { mayHaveChanged, tailOf } from './changes.ts'
import { type ContainerJob, openContainerJob } from './container-job.ts'
import { waitForHealth, waitUntilUp } from './health.ts'
import { askInside } from './inside.ts'
import { askPct, called, isRunning, PctError } from './pct.ts'
import { dropSnapshot, pruneSnapshots } from './snapshot.ts'
import { awaitStep, runStep } from './step.ts'
import { stopInside } from './stop-inside.ts'

/**
 * Ends a job whose script has ended, or was never started, or was left by an earlier run of the agent: nothing of
 * ours stays in the container, it is taken back to its snapshot where that is called for, and what we have started
 * is stopped. Each part asks what there is to do, so that it can be done again after an interruption anywhere.
 * Throws where the agent is to stop meanwhile.
 */
export const settleContainer = async (context: Context, begun: Job): Promise<Job> => {
  const { container } = begun
  if (!container) throw new Error(`Job ${begun.id} is not one in a container.`)
  using _lease = keepLease(context, begun)
  const at = openContainerJob(context, { ...begun, container }, leaving(context))
  at.save({ settlingSince: container.settlingSince ?? new Date().toISOString() })
  at.say('=== Afterwards ===')
  await awaitStep(at)
  if (!(await isThere(at))) {
    if (begun.process) await context.scripts.stop(begun.process, HOST_GRACE_MS)
    const gone = `${called(at.part)} is not on this node any more; what was done in it is left as it is.`
    return finish(context, at.job, explained(await judge(at), gone))
  }
  await endLeft(at)
  const judged = await judge(at)
  at.save({}, { verdict: judged })
  // Before anything else, as it may have to be looked for in vain where the container does not answer.
  await leave(at).catch((error: unknown) => at.say(`Our folder is still there: ${reasonOf(error)}`))
  const verdict = await putRight(at, judged)
  const notes = [
    await trying(at, 'What was pushed could not be removed', () => leave(at)),
    await trying(at, 'It could not be stopped again', () => stopAgain(at)),
  ].filter((note) => note !== undefined)
  return finish(context, at.job, explained(verdict, notes.join(' ')))
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

/** Ends a script inside, and the process of this host that waits for it. */
export const endInside = async (at: ContainerJob, process: ProcessId, graceMs: number): Promise<void> => {
  const { scripts, log } = at.context
  try {
    await stopInside(at, graceMs)
  } catch (error) {
    at.say(`The script could not be stopped: ${reasonOf(error)}`)
    log.warn('A script in a container could not be stopped.', { id: at.job.id, reason: reasonOf(error) })
  }
  await scripts.stop(process, HOST_GRACE_MS)
}
const HOST_GRACE_MS = 2_000

/** Stops a script that has not ended, although nobody waits for it any more or pct was killed. */
const endLeft = async (at: ContainerJob): Promise<void> => {
  const { journal, timings, log } = at.context
  const { id, mode, state, process, stopping, verdict } = at.job
  if (state !== 'running' || !process || verdict) return
  if (journal.exitCode(id) !== undefined && !stopping) {
    // It ended by itself: what it has left in the background is none of ours.
    if (!(await stateOf(at)).includes('main')) return
    at.say('pct has ended, and the script in the container has not.')
    rmSync(journal.path(id, 'exit'), { force: true })
  }
  log.info('What is left of a script in a container is stopped.', { id, vmid: at.part.vmid })
  at.save({}, { stopping: stopping ?? 'interrupted' })
  await endInside(at, process, mode === 'apply' ? timings.applyGraceMs : timings.graceMs)
}

/** Words: `begun`, where a script has begun there, and `main`, where it lives. `unknown` where it cannot be asked. */
const stateOf = async ({ context, part }: ContainerJob): Promise<string[]> => {
  try {
    return (await askInside(context, part.vmid, 'STATE', part.folder)).split('\n')
  } catch (error) {
    if (!(error instanceof PctError)) throw error
    return ['unknown']
  }
}

/** What there is to report of the script. */
const judge = async (at: ContainerJob): Promise<Verdict> => {
  const { context, job, part } = at
  if (job.verdict) return job.verdict
  if (job.state === 'starting') return NOT_STARTED
  const exitCode = context.journal.exitCode(job.id)
  const verdict = verdictOf(job.stopping, exitCode)
  if (verdict.exitCode === undefined || verdict.exitCode === 0) return verdict
  // It may be pct's own, which has the numbers of scripts, too, and means nothing of the kind by them.
  const state = await stateOf(at)
  if (state.includes('begun')) return verdict
  const lines = tailOf(context.journal.path(job.id, 'stderr'), 500).trim().split('\n')
  const said = lines.filter((line) => !line.startsWith('===')).at(-1)
  const what = `pct exec ended with ${exitCode}: ${said}`
  return state.includes('unknown')
    ? {
        status: 'failed',
        outcome: 'interrupted',
        message: `${what} Whether the script has run cannot be told.`,
      }
    : notStarted(`${called(part)}: ${what} Nothing was run.`)
}

/** Takes the container back where the update has failed or has harmed it, and clears up its snapshots. */
const putRight = async (at: ContainerJob, judged: Verdict): Promise<Verdict> => {
  const { context, job, part } = at
  const { exitCode } = judged
  const changed =
    job.state === 'running' &&
    job.mode === 'apply' &&
    judged.outcome !== 'not_started' &&
    mayHaveChanged(exitCode ?? context.journal.exitCode(job.id), context.journal.path(job.id, 'stdout'))
  if (!changed) {
    await dropSnapshot(at).catch((error: unknown) => at.say(`The snapshot is left there: ${reasonOf(error)}`))
    return judged
  }
  const harm = part.undo ?? (await harmOf(at, judged))
  if (harm === undefined) {
    await pruneSnapshots(at)
    return judged
  }
  const base: Verdict = isSuccess(judged) ? { status: 'failed' } : judged
  if (!part.snapshot)
    return isSuccess(judged) ? { ...base, message: `${harm} There is no snapshot to take it back to.` } : base
  at.save({ undo: harm })
  const failure = at.part.undone
    ? undefined
    : await trying(at, 'The rollback failed', () =>
        runStep(at, ['rollback', `${part.vmid}`, `${part.snapshot}`]),
      )
  if (failure === undefined) at.save({ undone: true })
  const down = part.ran ? await trying(at, 'It could not be started again', () => startAgain(at)) : undefined
  if (failure !== undefined) {
    const remedy = `By hand: pct rollback ${part.vmid} ${part.snapshot}`
    return { ...base, message: [harm, failure, down, remedy].filter(Boolean).join(' ') }
  }
  await pruneSnapshots(at)
  const message = [harm, `It was taken back to the snapshot ${part.snapshot}.`, down]
    .filter(Boolean)
    .join(' ')
  return { ...base, outcome: 'rolled_back', message }
}

/** Why it must be taken back. */
const harmOf = async (at: ContainerJob, judged: Verdict): Promise<string | undefined> => {
  if (!isSuccess(judged)) {
    const { exitCode, message } = judged
    return `${called(at.part)}: ${message ?? `the script failed with ${exitCode}.`}`
  }
  const decline = await waitForHealth(at)
  if (decline === undefined) return undefined
  return `${called(at.part)} did not come back well after the update: ${decline}.`
}

const startAgain = async (at: ContainerJob): Promise<void> => {
  const { context, part } = at
  if (!(await isRunning(context, part.vmid))) await runStep(at, ['start', `${part.vmid}`])
  const missing = await waitUntilUp(at)
  if (missing) at.say(`It was started again and ${missing} yet.`)
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
    await sleep(timings.containerPollMs, at.halt)
  }
}

/** Does it as often as it takes, within the time there is for settling. Returns why it was given up. */
const trying = async (
  at: ContainerJob,
  failure: string,
  work: () => Promise<unknown>,
): Promise<string | undefined> => {
  const { timings, log } = at.context
  const until = Date.parse(at.part.settlingSince ?? '') + timings.settleMs
  for (;;) {
    try {
      await work()
      return undefined
    } catch (error) {
      if (!(error instanceof PctError)) throw error
      const why = `${failure}: ${reasonOf(error)}`
      at.say(why)
      log.warn('A container could not be put right.', { id: at.job.id, vmid: at.part.vmid, reason: why })
      // The next run of the agent goes on with it.
      if (at.halt.aborted) throw error
      if (!error.mayPass || Date.now() >= until) return why
      await sleep(timings.lockRetryMs, at.halt)
    }
  }
}

const explained = (verdict: Verdict, more: string): Verdict =>
  more ? { ...verdict, message: [verdict.message, more].filter(Boolean).join(' ') } : verdict
