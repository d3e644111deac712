import { reasonOf } from '../../agent/errors.ts'
import { openRun } from './open-run.ts'
import type { Options } from './options.ts'
import { type Progress, type Report, reportOf } from './report.ts'
import { allConnected, type Run } from './run.ts'
import { scenarios } from './scenarios/index.ts'
import { openStalledReaders } from './stalled-readers.ts'
import { verify } from './verify.ts'

/** An enrolment token is one row that each registration with it locks. */
const AGENTS_PER_TOKEN = 200
const STALLED_READERS = 3

/** The whole run, from the server to the report. What it made goes away with it. */
export async function simulate(options: Options, stopping: AbortController): Promise<Report> {
  const progress: Progress = {
    startedAt: new Date(),
    enrolSeconds: 0,
    figures: {},
    recorded: [],
    problems: [],
  }
  const { signal: stop } = stopping
  await using parts = new AsyncDisposableStack()
  const run = await openRun(options, stopping, parts)
  const interrupted = new Promise<never>((_, reject) => {
    stop.addEventListener('abort', () => reject(stop.reason), { once: true })
    if (stop.aborted) reject(stop.reason)
  })
  try {
    await Promise.race([work(run, progress, parts), interrupted])
  } catch (error) {
    progress.problems.push(reasonOf(stop.aborted ? stop.reason : error))
  }
  run.live.stop()
  run.sampler?.sample()
  return reportOf(run, progress)
}

async function work(run: Run, progress: Progress, parts: AsyncDisposableStack): Promise<void> {
  const { options, owner, fleet, chaos, live, stop } = run
  live.phase('enrolling')
  const began = performance.now()
  for (let at = 0; at < options.agents; at += AGENTS_PER_TOKEN)
    run.enrolmentTokens.push(await owner.enrolmentToken(run.fleetName, AGENTS_PER_TOKEN))
  await fleet.enrol((at) => run.enrolmentTokens[Math.floor(at / AGENTS_PER_TOKEN)]?.token ?? '', stop)
  await allConnected(run)
  progress.enrolSeconds = Math.round(performance.now() - began) / 1000

  if (chaos) parts.use(await openStalledReaders(run.origin, owner.token, STALLED_READERS))
  chaos?.start(fleet.transports)
  progress.figures = await scenarios[options.scenario](run)
  chaos?.stop()

  live.phase('checking')
  progress.recorded = await owner.operations(run.since)
  progress.problems.push(...verify(progress.recorded, run.ledger, run.outputs))
}
