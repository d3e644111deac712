import { statSync } from 'node:fs'
import type { Context } from '../context.ts'
import { reasonOf } from '../errors.ts'
import type { Job, JobFile } from '../journal.ts'
import type { ContainerJob } from './container-job.ts'
import { askPct, parseLines } from './pct.ts'

/** Taking a container back loses all that was written in it since: what `why` says makes that more than the update. */
export type TooLate = { why: string; startedAnew: boolean }

/** When a run was surely still under way or had just ended, in ms; asked before anything is added to its log. */
export const lastSignOf = ({ journal }: Context, { id, createdAt, startedAt }: Job): number => {
  const ended = writtenAt(journal.path(id, 'exit'))
  if (ended !== undefined) return ended
  const files: JobFile[] = ['stdout', 'stderr', 'step', 'step-exit']
  const signs = files.map((file) => writtenAt(journal.path(id, file)) ?? 0)
  return Math.max(Date.parse(startedAt ?? createdAt), ...signs)
}

/** The same, once a step that an earlier run has begun has ended: later than that run itself, perhaps. */
export const signAfterStep = ({ context, job, part }: ContainerJob): number => {
  const sign = Date.parse(part.lastSign ?? job.createdAt)
  const { journal } = context
  // Once the script has ended, a step is one of putting right.
  if (job.verdict || writtenAt(journal.path(job.id, 'exit')) !== undefined) return sign
  return Math.max(sign, writtenAt(journal.path(job.id, 'step-exit')) ?? 0)
}

const writtenAt = (file: string) => statSync(file, { throwIfNoEntry: false })?.mtimeMs

/** Judges a job that an earlier run of the agent has left, by the last sign of it; both times in ms. */
export const tooLate = async (
  { context, part }: ContainerJob,
  lastSign: number,
  now: number,
): Promise<TooLate | undefined> => {
  const { rollbackWithinMs } = context.timings
  const startedAnew = await wasStartedAnew(context, part.vmid, lastSign)
  if (startedAnew) return { why: startedAnew, startedAnew: true }
  // A clock that was set back says as little as one that has run on.
  if (Math.abs(now - lastSign) <= rollbackWithinMs) return undefined
  const sign = new Date(lastSign).toISOString()
  return { why: `the last sign of its run is of ${sign}`, startedAnew: false }
}

/** One that is stopped has written nothing since. */
const wasStartedAnew = async (context: Context, vmid: number, since: number): Promise<string | undefined> => {
  try {
    const { status, uptime } = parseLines(await askPct(context, ['status', `${vmid}`, '--verbose', '1']))
    if (status !== 'running') return undefined
    if (uptime === undefined || !/^\d+$/.test(uptime)) return 'pct does not tell for how long it has run'
    // Seconds are cut off.
    const startedAt = Date.now() - (Number(uptime) + 1) * 1000
    return startedAt > since ? 'it was started anew after the run was interrupted' : undefined
  } catch (error) {
    return `whether it was started anew since cannot be told (${reasonOf(error)})`
  }
}
