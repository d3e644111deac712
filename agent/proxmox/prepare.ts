import type { Permit } from '../claim.ts'
import { reasonOf } from '../errors.ts'
import type { Job, Verdict } from '../journal.ts'
import { refusedAt } from '../script-check.ts'
import type { Manifest } from '../script-signature.ts'
import { failed, notStarted, verdictOf } from '../verdict.ts'
import type { ContainerJob } from './container-job.ts'
import { probe, waitUntilUp } from './health.ts'
import { insideArgs } from './inside.ts'
import { type Looked, refusedInterpreter, stoppedMessage } from './look.ts'
import { called, isRunning, PctError } from './pct.ts'
import { platformInside } from './platform.ts'
import { isUnsupported, makeSnapshot } from './snapshot.ts'
import { runStep } from './step.ts'

/** An operation that was claimed, and what was found before that. */
export type ContainerOrder = Looked & { job: Job; permit: Permit; manifest: Manifest; args: string[] }

/** Why nothing was run. */
export class NotRun extends Error {
  readonly verdict: Verdict
  constructor(verdict: Verdict) {
    super(verdict.message ?? '')
    this.verdict = verdict
  }
}
export const notRun = (message: string) => new NotRun(notStarted(`${message} Nothing was run.`))

/** Everything before the script itself; returns our folder inside. Throws `NotRun` and `PctError`. */
export const prepare = async (at: ContainerJob, order: ContainerOrder): Promise<string> => {
  const { context, part } = at
  const { found, permit } = order
  const { operation } = permit
  const { timings } = context
  let began = false
  /** The claim is a permit to begin at once; what follows may take its time. */
  const begin = () => {
    const age = permit.ageMs()
    if (!began && age > timings.startWithinMs)
      throw notRun(
        `The claim was ${Math.round(age)} ms old when the work was about to begin; ${timings.startWithinMs} ms are allowed.`,
      )
    began = true
  }
  const goOn = () => {
    if (at.halt.aborted) throw new NotRun(verdictOf(at.halt.reason, undefined))
  }

  const running = await isRunning(context, part.vmid)
  if (!running && !operation.start_stopped) throw new NotRun(notStarted(stoppedMessage(found)))
  at.save({ ran: running })
  if (!running) {
    begin()
    await start(at)
    const missing = await waitUntilUp(at)
    goOn()
    if (missing)
      throw notRun(
        `${called(found)} was started and ${missing} after ${timings.containerStartMs / 1000} seconds.`,
      )
  }
  if (!order.host || !running) {
    const refusal =
      refusedAt(order.manifest, await platformInside(context, found)) ??
      (await refusedInterpreter(context, found, context.journal.path(at.job.id, 'script')))
    if (refusal) throw new NotRun(failed(refusal))
  }
  if (operation.mode === 'apply' && (!part.before || !running))
    at.save({ before: await probe(context, part.vmid) })
  goOn()
  if (operation.snapshot && operation.mode === 'apply') {
    begin()
    await keep(at, operation.snapshot_optional)
    goOn()
  }
  begin()
  const folder = await push(at)
  goOn()
  return folder
}

const start = async (at: ContainerJob): Promise<void> => {
  at.save({ started: true })
  try {
    await runStep(at, ['start', `${at.part.vmid}`])
  } catch (error) {
    // Somebody else was faster, and would not like it to be stopped again.
    if (!/already running/.test(reasonOf(error))) throw error
    at.save({ started: undefined, ran: true })
  }
}

/** Makes the snapshot, or goes on without where that cannot be and nobody has asked for it by name. */
const keep = async (at: ContainerJob, isOptional: boolean): Promise<void> => {
  try {
    await makeSnapshot(at)
  } catch (error) {
    if (!(error instanceof PctError) || at.halt.aborted) throw error
    if (!isOptional || !isUnsupported(error))
      throw notRun(`${called(at.part)} could not be given a snapshot: ${reasonOf(error)}`)
    at.save({ snapshot: undefined })
    at.say('Its storage has no snapshots; it is updated without one, as none was asked for by name.')
    at.context.log.warn('The container is updated without a snapshot.', {
      id: at.job.id,
      reason: reasonOf(error),
    })
  }
}

/** Puts the script into a folder of our own, and returns that. */
const push = async (at: ContainerJob): Promise<string> => {
  const { context, part } = at
  const { timings } = context
  at.save({ entered: true })
  const place = await runStep(at, insideArgs(part.vmid, 'ENTER', part.folder), timings.pctMs)
  if (place !== '/run' && place !== '/root') throw new PctError('no private folder could be made in it.')
  const folder = `${place}/${part.folder}`
  const script = context.journal.path(at.job.id, 'script')
  const rights = ['--perms', '0700', '--user', '0', '--group', '0']
  await runStep(at, ['push', `${part.vmid}`, script, `${folder}/script`, ...rights], timings.pctMs)
  return folder
}
