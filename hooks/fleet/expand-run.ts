import { setImmediate as turn } from 'node:timers/promises'
import { type FleetRun, fleetRuns } from '../../collections/fleet-runs.ts'
import { type FleetSchedule, fleetSchedules } from '../../collections/fleet-schedules.ts'
import type { App } from '../../core/app.ts'
import { AppError } from '../../core/errors.ts'
import { FilterError } from '../../core/filter/index.ts'
import { readById } from '../../core/records/read.ts'
import { addSeconds, formatTime, parseTime } from '../../core/time.ts'
import { blackoutAt, blackoutsOf, freeFrom } from '../schedules/blackouts.ts'
import { type Batch, expandBatch } from './expand-batch.ts'
import { agentsBehind, countBehind, ownerOf } from './matching.ts'
import { endRun, isNotFound, lockRun, moveOn, notFound } from './runs.ts'

/** Agents that are looked up at once. */
const PAGE = 250
/** Small, for a heartbeat waits while a transaction holds its agent's row. */
const BATCH = 50
const LOOK_AGAIN_SECONDS = 20
export const SWITCHED_OFF = 'The schedule was switched off.'

/**
 * Gives the next of a run's agents their operations, and ends the run where there are no more, or none may start.
 * True where there is more to do at once.
 */
export async function expandSome(app: App, id: string): Promise<boolean> {
  const run = await readById(app.database, fleetRuns, id)
  if (run?.status !== 'expanding') return false
  const schedule = await readById(app.database, fleetSchedules, run.fleet_schedule_id)
  const owner = await ownerOf(app, app.database, run.user_id)
  if (!schedule || !owner) return false
  const now = app.clock()
  if (isNotFound(run) && isFresh(run, now)) return false

  const where = { owner, filter: schedule.filter, reached: run.reached }
  const barred = await barrier(app, run, schedule, now)
  if (barred === 'for now') return false
  if (barred) {
    // Nor may it last for ever where its agents cannot even be counted.
    const rest = await unlessRefused(
      () => countBehind(app, where),
      () => 0,
    )
    await endUnfinished(app, run, barred.why, rest)
    return false
  }
  const agents = await unlessRefused(
    () => agentsBehind(app, where, PAGE),
    (error) => lookAgain(app, run, error),
  )
  return agents ? expandPage(app, run, agents) : false
}

/** What a filter asks for may take too long at this moment, and be quick at another. */
async function unlessRefused<T, E>(
  look: () => Promise<T>,
  otherwise: (error: AppError) => E,
): Promise<T | Awaited<E>> {
  try {
    return await look()
  } catch (error) {
    if (!(error instanceof AppError && error.status < 500)) throw error
    return await otherwise(error)
  }
}

async function lookAgain(app: App, run: FleetRun, error: AppError): Promise<void> {
  app.log.warn({ err: error, run: run.id }, 'A fleet run could not look up its agents; it tries again.')
  const why = error instanceof FilterError ? error.detail : error.message
  await app.transaction(async (transaction) => {
    const locked = await lockRun(transaction, run, false)
    if (locked) await moveOn(app, transaction, run, { ...locked.run.record, last_skip: notFound(why) })
  })
}

/** Also where the clock was set back since: what is to come is no reason to wait. */
const isFresh = ({ updated }: FleetRun, now: Date): boolean =>
  updated > formatTime(addSeconds(now, -LOOK_AGAIN_SECONDS)) && updated <= formatTime(now)

async function expandPage(app: App, found: FleetRun, agents: Batch['agents']): Promise<boolean> {
  const isLast = agents.length < PAGE
  let run: FleetRun | undefined = found
  for (let from = 0; run && (from < agents.length || from === 0); from += BATCH) {
    const ends = isLast && from + BATCH >= agents.length
    const batch: Batch = { run, agents: agents.slice(from, from + BATCH), ends }
    run = await expandBatch(app, batch)
    // Requests that have come meanwhile go first.
    await turn()
  }
  return run !== undefined && !isLast
}

/** Why nothing may be made of the run: for ever, or for now. */
async function barrier(
  app: App,
  run: FleetRun,
  schedule: FleetSchedule,
  now: Date,
): Promise<{ why: string } | 'for now' | undefined> {
  if (!schedule.is_active) return { why: SWITCHED_OFF }
  const end = parseTime(run.not_after)
  if (!end || now >= end) return { why: 'The window was over before it was their turn.' }
  const list = await blackoutsOf(app.database, [run.user_id], now)
  const blackout = blackoutAt(list, run.user_id, now)
  if (!blackout) return undefined
  if (freeFrom(list, run.user_id, now) < end) return 'for now'
  return { why: `The blackout ${JSON.stringify(blackout.name)} lasts longer than the window.` }
}

async function endUnfinished(app: App, found: FleetRun, why: string, rest: number): Promise<void> {
  await app.transaction(async (transaction) => {
    const locked = await lockRun(transaction, found, true)
    if (!locked) return
    const { record: run } = locked.run
    const skipped = { skipped_agents: run.skipped_agents + rest, ...(rest > 0 && { last_skip: why }) }
    await endRun(app, transaction, locked, { ...run, ...skipped })
  })
}
