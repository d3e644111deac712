import { reasonOf } from '../errors.ts'
import type { Verdict } from '../journal.ts'
import { isSuccess } from '../verdict.ts'
import { mayHaveChanged } from './changes.ts'
import type { ContainerJob } from './container-job.ts'
import { waitForHealth, waitUntilUp } from './health.ts'
import { called, isRunning, lockIn } from './pct.ts'
import { dropSnapshot, pruneSnapshots } from './snapshot.ts'
import { runStep } from './step.ts'
import { trying } from './trying.ts'

/** Takes the container back where the update has failed or has harmed it, and clears up its snapshots. */
export const putRight = async (at: ContainerJob, judged: Verdict): Promise<Verdict> => {
  const { context, job, part } = at
  // A code that was not judged to be the script's says something of its end only where it was stopped.
  const exitCode = judged.exitCode ?? (job.stopping && context.journal.exitCode(job.id))
  const changed =
    job.state === 'running' &&
    job.mode === 'apply' &&
    judged.outcome !== 'not_started' &&
    mayHaveChanged(exitCode, context.journal.path(job.id, 'stdout'))
  if (!changed) {
    await dropSnapshot(at).catch((error: unknown) => at.say(`The snapshot is left there: ${reasonOf(error)}`))
    return judged
  }
  if (part.late !== undefined && !part.undone) return leaveAsItIs(at, judged, part.late)
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
    const remedy = `By hand: ${unlockFirst(failure, part.vmid)}pct rollback ${part.vmid} ${part.snapshot}`
    return { ...base, message: [harm, failure, down, remedy].filter(Boolean).join(' ') }
  }
  await pruneSnapshots(at)
  const message = [harm, `It was taken back to the snapshot ${part.snapshot}.`, down]
    .filter(Boolean)
    .join(' ')
  return { ...base, outcome: 'rolled_back', message }
}

/** A snapshot or a rollback that died half-way leaves its lock, and nobody else takes that away. */
export const unlockFirst = (failure: string, vmid: number): string =>
  ['rollback', 'snapshot'].includes(lockIn(failure) ?? '') ? `pct unlock ${vmid}; ` : ''

/** Of a run that was interrupted too long ago: how the container is now says nothing of the update. */
const leaveAsItIs = async (at: ContainerJob, judged: Verdict, why: string): Promise<Verdict> => {
  const { undo, snapshot, vmid } = at.part
  await pruneSnapshots(at)
  const isGood = isSuccess(judged)
  if (isGood && undo === undefined) {
    at.say(`How it is now was not looked at: ${why}.`)
    return judged
  }
  const base: Verdict = isGood ? { status: 'failed' } : judged
  if (!snapshot) return base
  const left = `It was not taken back, as what was written in it since would be lost: ${why}.`
  const remedy = `The snapshot ${snapshot} is kept. By hand: pct rollback ${vmid} ${snapshot}`
  return { ...base, message: [undo ?? failureOf(at, judged), left, remedy].join(' ') }
}

const failureOf = ({ part }: ContainerJob, { exitCode, message }: Verdict) =>
  `${called(part)}: ${message ?? `the script failed with ${exitCode}.`}`

/** Why it must be taken back. */
const harmOf = async (at: ContainerJob, judged: Verdict): Promise<string | undefined> => {
  if (!isSuccess(judged)) return failureOf(at, judged)
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
