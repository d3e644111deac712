import { randomBytes } from 'node:crypto'
import { rmSync, statSync } from 'node:fs'
import type { Permit } from '../claim.ts'
import type { Context } from '../context.ts'
import { reasonOf } from '../errors.ts'
import type { Job, Verdict } from '../journal.ts'
import { keepLease } from '../lease.ts'
import { refusedAt } from '../script-check.ts'
import type { Manifest } from '../script-signature.ts'
import { failed, notStarted, verdictOf } from '../verdict.ts'
import { watchScript } from '../watch.ts'
import { type ContainerJob, openContainerJob } from './container-job.ts'
import { probe, waitUntilUp } from './health.ts'
import { insideArgs, launchArgs } from './inside.ts'
import { interpreterOf } from './interpreter.ts'
import { type Looked, refusedInterpreter, stoppedMessage } from './look.ts'
import { called, isRunning, PctError, pathOf } from './pct.ts'
import { platformInside } from './platform.ts'
import { endInside, settleContainer } from './settle.ts'
import { isUnsupported, makeSnapshot } from './snapshot.ts'
import { runStep } from './step.ts'

/** An operation that was claimed, and what was found before that. */
export type ContainerOrder = Looked & { job: Job; permit: Permit; manifest: Manifest; args: string[] }

/** Why nothing was run. */
class NotRun extends Error {
  readonly verdict: Verdict
  constructor(verdict: Verdict) {
    super(verdict.message ?? '')
    this.verdict = verdict
  }
}
const notRun = (message: string) => new NotRun(notStarted(`${message} Nothing was run.`))

/** More output than the server takes; somebody in the container may have our descriptor. */
const OUTPUT_BYTES_MAX = 300 * 1024 * 1024
const OUTPUT_LOOK_MS = 1_000

/**
 * Runs an operation in its container, and puts right what there is to put right. Returns the finished job, or `over`
 * where the agent is to end: the rest is then done at its next start.
 */
export const runInContainer = async (
  context: Context,
  order: ContainerOrder,
  halt: AbortController,
): Promise<Job | 'over'> => {
  const { found, before, job, permit, args } = order
  const { journal } = context
  for (const file of ['stdout', 'stderr'] as const) rmSync(journal.path(job.id, file), { force: true })
  const at = openContainerJob(
    context,
    {
      ...{ ...job, state: 'starting', args, sha256: permit.operation.script_sha256 },
      container: {
        ...{ vmid: found.vmid, name: found.name, ran: found.running, before },
        folder: `patchbase-${randomBytes(16).toString('hex')}`,
      },
    },
    halt.signal,
  )
  at.save({})
  using _lease = keepLease(context, job, halt)
  at.say(`=== ${called(found)}: before the script ===`)
  try {
    const place = await prepare(at, order)
    await runScript(at, order, place, halt)
  } catch (error) {
    if (at.job.state !== 'starting') throw error
    const known = error instanceof PctError ? notRun(`${called(found)}: ${reasonOf(error)}`) : error
    if (!(known instanceof NotRun)) throw known
    at.save({}, { verdict: known.verdict })
  }
  if (halt.signal.reason === 'interrupted') return 'over'
  return settleContainer(context, at.job)
}

/** Everything before the script itself; returns our folder inside. Throws `NotRun` and `PctError`. */
const prepare = async (at: ContainerJob, order: ContainerOrder): Promise<string> => {
  const { context, part } = at
  const { found, permit } = order
  const { operation } = permit
  const { timings, log } = context
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
    at.save({ started: true })
    await runStep(at, ['start', `${part.vmid}`])
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
    try {
      await makeSnapshot(at)
    } catch (error) {
      if (!(error instanceof PctError)) throw error
      if (!operation.snapshot_optional || !isUnsupported(error))
        throw notRun(`${called(found)} could not be given a snapshot: ${reasonOf(error)}`)
      at.save({ snapshot: undefined })
      at.say('Its storage has no snapshots; it is updated without one, as none was asked for by name.')
      log.warn('The container is updated without a snapshot.', { id: at.job.id, reason: reasonOf(error) })
    }
    goOn()
  }
  begin()
  at.save({ entered: true })
  const place = await runStep(at, insideArgs(part.vmid, 'ENTER', part.folder))
  if (place !== '/run' && place !== '/root') throw new PctError('no private folder could be made in it.')
  const folder = `${place}/${part.folder}`
  const script = context.journal.path(at.job.id, 'script')
  const rights = ['--perms', '0700', '--user', '0', '--group', '0']
  await runStep(at, ['push', `${part.vmid}`, script, `${folder}/script`, ...rights])
  goOn()
  return folder
}

const runScript = async (
  at: ContainerJob,
  { permit, args }: ContainerOrder,
  folder: string,
  halt: AbortController,
): Promise<void> => {
  const { context, part } = at
  const { journal, scripts, log } = context
  const { id } = at.job
  const { operation } = permit
  const [script, stdout, stderr, exit] = (['script', 'stdout', 'stderr', 'exit'] as const).map((file) =>
    journal.path(id, file),
  ) as [string, string, string, string]
  const command = [...interpreterOf(script).command, `${folder}/script`, ...args]
  at.say('=== The script ===')
  const child = await scripts
    .start({
      ...{ script: 'pct', args: launchArgs(part.vmid, part.folder, folder, command) },
      ...{ stdout, stderr, exit, path: pathOf(context), append: true },
    })
    .catch((error: unknown) => {
      throw notRun(`The script could not be started: ${reasonOf(error)}`)
    })
  try {
    at.save({}, { state: 'running', process: child.id, startedAt: new Date().toISOString() })
  } catch (error) {
    child.never()
    await child.ended
    throw error
  }
  child.go()
  log.info('The script runs.', { id, vmid: part.vmid, mode: operation.mode, args: args.join(' ') })
  const flood = setInterval(() => {
    const sizes = [stdout, stderr].map((file) => statSync(file, { throwIfNoEntry: false })?.size ?? 0)
    if (Math.max(...sizes) > OUTPUT_BYTES_MAX) halt.abort('flooded')
  }, OUTPUT_LOOK_MS)
  try {
    const stop = async (_: Job, graceMs: number) => endInside(at, child.id, graceMs)
    const ended = await watchScript(context, at.job, operation, { child, halt, stop })
    at.save({}, { stopping: ended.stopping })
  } finally {
    clearInterval(flood)
  }
}
