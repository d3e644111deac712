import { randomBytes } from 'node:crypto'
import { rmSync, statSync } from 'node:fs'
import type { Context } from '../context.ts'
import { reasonOf } from '../errors.ts'
import type { Job, Verdict } from '../journal.ts'
import { keepLease } from '../lease.ts'
import { verdictOf } from '../verdict.ts'
import { watchScript } from '../watch.ts'
import { type ContainerJob, openContainerJob } from './container-job.ts'
import { launchArgs } from './inside.ts'
import { interpreterOf } from './interpreter.ts'
import { called, PctError, pathOf } from './pct.ts'
import { type ContainerOrder, NotRun, notRun, prepare } from './prepare.ts'
import { endInside } from './script-end.ts'
import { settleContainer } from './settle.ts'

/** More output than the server takes. */
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
    if (!(error instanceof PctError || error instanceof NotRun)) throw error
    // The next run of the agent says what has come of it.
    if (halt.signal.reason !== 'interrupted') at.save({}, { verdict: verdictAt(error, at, halt) })
  }
  if (halt.signal.reason === 'interrupted') return 'over'
  at.save({ lastSign: new Date().toISOString() })
  return settleContainer(context, at.job, true)
}

/** Of a job in which nothing was run. */
const verdictAt = (
  error: PctError | NotRun,
  { part }: ContainerJob,
  { signal }: AbortController,
): Verdict => {
  if (error instanceof NotRun) return error.verdict
  return signal.aborted
    ? verdictOf(signal.reason, undefined)
    : notRun(`${called(part)}: ${reasonOf(error)}`).verdict
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
      keptBytes: OUTPUT_BYTES_MAX + 1,
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
    // What has its output closed does not end well, however long it is given.
    const stop = async ({ stopping }: Job, graceMs: number) =>
      endInside(at, child.id, stopping === 'flooded' ? context.timings.graceMs : graceMs)
    const ended = await watchScript(context, at.job, operation, { child, halt, stop })
    at.save({}, { stopping: ended.stopping })
  } finally {
    clearInterval(flood)
  }
}
