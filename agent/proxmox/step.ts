import { rmSync } from 'node:fs'
import { sleep } from '../backoff.ts'
import { tailOf } from './changes.ts'
import type { ContainerJob } from './container-job.ts'
import { ofPct, PctError, pathOf } from './pct.ts'

/** What is kept of the output of one command. */
const OUTPUT_BYTES_MAX = 64 * 1024
const GRACE_MS = 10_000

/**
 * Runs a `pct` command that changes something. It is a process of its own, written down before it does anything: if
 * the agent is killed, it goes on, and the next run of the agent waits for it. Another's lock is waited for.
 * Returns what it printed, without the space around. Throws `PctError` where it failed.
 */
export const runStep = async (
  at: ContainerJob,
  args: readonly string[],
  timeoutMs = at.context.timings.pctStepMs,
): Promise<string> => {
  const { timings } = at.context
  const until = performance.now() + timings.lockWaitMs
  let told = false
  for (;;) {
    try {
      return await runOnce(at, args, timeoutMs)
    } catch (error) {
      const lock = error instanceof PctError ? error.lock : undefined
      if (lock === undefined || performance.now() >= until || at.halt.aborted) throw error
      if (!told) at.say(`It is locked (${lock}); waiting for at most ${timings.lockWaitMs / 1000} seconds.`)
      told = true
      await sleep(timings.lockRetryMs, at.halt)
    }
  }
}

const runOnce = async (at: ContainerJob, args: readonly string[], timeoutMs: number): Promise<string> => {
  const { context } = at
  const { journal, scripts } = context
  const { id } = at.job
  const [output, exit] = [journal.path(id, 'step'), journal.path(id, 'step-exit')]
  rmSync(output, { force: true })
  // A text that is run inside is not for people.
  const shown = args.map((word) => (word.includes('\n') ? '...' : word)).join(' ')
  at.say(`$ pct ${shown}`)
  const path = pathOf(context)
  const streams = { stdout: output, stderr: output, exit, append: true }
  // What runs in a container gets no descriptor of this host's.
  const kept = args[0] === 'exec' ? { keptBytes: OUTPUT_BYTES_MAX } : {}
  const child = await scripts.start({ script: 'pct', args: [...args], path, ...streams, ...kept })
  try {
    at.save({ step: child.id, stepName: args[0] })
  } catch (error) {
    child.never()
    await child.ended
    throw error
  }
  child.go()
  const overdue = new AbortController()
  const timer = setTimeout(() => overdue.abort(), timeoutMs)
  await Promise.race([
    child.ended,
    new Promise<void>((done) => overdue.signal.addEventListener('abort', () => done())),
  ])
  clearTimeout(timer)
  if (overdue.signal.aborted) await scripts.stop(child.id, GRACE_MS)
  await child.ended
  const said = tailOf(output, OUTPUT_BYTES_MAX).trim()
  if (said) at.say(said)
  const code = journal.exitCode(id, 'step-exit')
  closeStep(at, code)
  rmSync(output, { force: true })
  if (overdue.signal.aborted) throw new PctError(`pct ${args[0]} had not ended after ${timeoutMs} ms.`)
  if (code === 0) return said
  throw new PctError(
    `pct ${args[0]} failed${code === undefined ? '' : ` with ${code}`}: ${lastLines(said)}`,
    ofPct(args, said),
  )
}

/** A rollback that has succeeded is written down with its end: a second one would lose what was written since. */
const closeStep = (at: ContainerJob, code: number | undefined): void => {
  const undone = at.part.undone || (at.part.stepName === 'rollback' && code === 0)
  at.save({ step: undefined, stepName: undefined, ...(undone ? { undone } : {}) })
}

/** What a sentence has room for. */
const lastLines = (said: string) => (said || 'it said nothing').slice(-500).replace(/\s+/g, ' ')

/** Waits for a command that an earlier run of the agent has begun, and ends it after the time it may take. */
export const awaitStep = async (at: ContainerJob): Promise<void> => {
  const { scripts, timings, log, stop } = at.context
  const { step } = at.part
  if (!step) return
  const until = performance.now() + timings.pctStepMs
  if (scripts.lives(step))
    log.info('Waiting for a pct command of an earlier run.', { id: at.job.id, pid: step.pid })
  while (scripts.lives(step)) {
    if (stop.aborted) throw new PctError('A pct command of an earlier run has not ended yet.')
    if (performance.now() >= until) await scripts.stop(step, GRACE_MS)
    else await sleep(Math.min(timings.containerPollMs, 500), stop)
  }
  const said = tailOf(at.context.journal.path(at.job.id, 'step'), OUTPUT_BYTES_MAX).trim()
  if (said) at.say(said)
  closeStep(at, at.context.journal.exitCode(at.job.id, 'step-exit'))
}
