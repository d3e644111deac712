import { rmSync } from 'node:fs'
import { reasonOf } from '../errors.ts'
import type { Verdict } from '../journal.ts'
import type { ProcessId } from '../process.ts'
import { NOT_STARTED, notStarted, verdictOf } from '../verdict.ts'
import { tailOf } from './changes.ts'
import type { ContainerJob } from './container-job.ts'
import { askInside } from './inside.ts'
import { called, PctError } from './pct.ts'
import { Left, stopInside } from './stop-inside.ts'

/** Ends a script inside, and the process of this host that waits for it. Throws `Left` where `leave` ends the wait. */
export const endInside = async (
  at: ContainerJob,
  process: ProcessId,
  graceMs: number,
  leave?: AbortSignal,
): Promise<void> => {
  const { scripts, log } = at.context
  try {
    await stopInside(at, graceMs, leave)
  } catch (error) {
    if (error instanceof Left) throw error
    at.say(`The script could not be stopped: ${reasonOf(error)}`)
    log.warn('A script in a container could not be stopped.', { id: at.job.id, reason: reasonOf(error) })
  }
  await scripts.stop(process, HOST_GRACE_MS)
}
/** Longer than the wrapper waits for what still comes out of it. */
export const HOST_GRACE_MS = 4_000

/** Stops a script that has not ended, although nobody waits for it any more or pct was killed. */
export const endLeft = async (at: ContainerJob): Promise<void> => {
  const { journal, timings, log } = at.context
  const { id, mode, state, process, stopping, verdict } = at.job
  if (state !== 'running' || !process || verdict) return
  const exitCode = journal.exitCode(id)
  if (exitCode !== undefined && !stopping) {
    const words = await stateOf(at)
    // It ended by itself: what it has left in the background is none of ours.
    if (!words.includes('main') && (exitCode === 0 || !words.includes('unknown'))) return
    at.say('pct has ended, and the script in the container may not have.')
    rmSync(journal.path(id, 'exit'), { force: true })
  }
  log.info('What is left of a script in a container is stopped.', { id, vmid: at.part.vmid })
  at.save({}, { stopping: stopping ?? 'interrupted' })
  await endInside(
    at,
    process,
    mode === 'apply' && stopping !== 'flooded' ? timings.applyGraceMs : timings.graceMs,
    at.halt,
  )
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
export const judge = async (at: ContainerJob): Promise<Verdict> => {
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
  // What it has said, a container that was started anew has forgotten.
  const spoke = tailOf(context.journal.path(job.id, 'stdout'), 1) !== ''
  return spoke || part.late !== undefined || state.includes('unknown')
    ? {
        status: 'failed',
        outcome: 'interrupted',
        message: `${what} How far the script has come cannot be told.`,
      }
    : notStarted(`${called(part)}: ${what} Nothing was run.`)
}
