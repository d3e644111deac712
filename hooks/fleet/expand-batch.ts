import type { FleetRun } from '../../collections/fleet-runs.ts'
import type { App } from '../../core/app.ts'
import type { Executor } from '../../core/db/database.ts'
import { formatTime, parseTime } from '../../core/time.ts'
import { blackoutAt, blackoutsOf, endBefore } from '../schedules/blackouts.ts'
import { isPassing } from '../schedules/fire.ts'
import { type Gift, give, giveTogether, type Receiver } from './give.ts'
import { endRun, isNotFound, type LockedRun, lockRun, moveOn, type Progress } from './runs.ts'

export type Batch = {
  /** As it was when these agents were looked up. */
  run: FleetRun
  agents: readonly Receiver[]
  /** There are no more after these. */
  ends: boolean
}

/**
 * Gives some agents their operations and moves the run on to behind them, in one transaction. Answers the run as it
 * stands then, or undefined where the rest of them must wait: somebody else has the run, or a row that is needed.
 */
export async function expandBatch(app: App, batch: Batch): Promise<FleetRun | undefined> {
  try {
    return await app.transaction((transaction) => expandTogether(app, transaction, batch))
  } catch (error) {
    // A statement that fails undoes those of all. One by one it concerns only the one.
    app.log.debug({ err: error, run: batch.run.id }, 'A fleet run goes on one by one.')
    return app.transaction((transaction) => expandOneByOne(app, transaction, batch))
  }
}

async function expandTogether(app: App, transaction: Executor, batch: Batch): Promise<FleetRun | undefined> {
  const open = await openBatch(app, transaction, batch)
  if (!open) return undefined
  const skips = await giveTogether(app, transaction, open.gift, batch.agents)
  const to = skips.reduce(counted, open.from)
  return closeBatch(app, transaction, open.locked, batch, {
    ...to,
    reached: batch.agents.at(-1)?.id ?? to.reached,
  })
}

async function expandOneByOne(app: App, transaction: Executor, batch: Batch): Promise<FleetRun | undefined> {
  const open = await openBatch(app, transaction, batch)
  if (!open) return undefined
  let to = open.from
  for (const agent of batch.agents) {
    try {
      to = { ...counted(to, await give(app, transaction, open.gift, agent)), reached: agent.id }
    } catch (error) {
      if (!isPassing(error)) throw error
      app.log.warn({ err: error, run: batch.run.id, agent: agent.id }, 'A fleet run waits for an agent.')
      await moveOn(app, transaction, open.locked.run.record, to)
      return undefined
    }
  }
  return closeBatch(app, transaction, open.locked, batch, to)
}

/** Undefined where it is not, or no longer, this server's turn, or nothing may be made now. */
async function openBatch(
  app: App,
  transaction: Executor,
  batch: Batch,
): Promise<{ locked: LockedRun; gift: Gift; from: Progress } | undefined> {
  const now = app.clock()
  const [locked, blackouts] = await Promise.all([
    lockRun(transaction, batch.run, batch.ends),
    blackoutsOf(transaction, [batch.run.user_id], now),
  ])
  if (!locked?.schedule.record.is_active) return undefined
  const run = locked.run.record
  const end = parseTime(run.not_after)
  if (!end || now >= end) return undefined
  if (blackoutAt(blackouts, run.user_id, now)) return undefined
  const not_after = formatTime(endBefore(blackouts, run.user_id, now, end))
  const gift = { run, schedule: locked.schedule.record, not_after }
  return { locked, gift, from: isNotFound(run) ? { ...run, last_skip: '' } : run }
}

const counted = (progress: Progress, skip: string | undefined): Progress =>
  skip === undefined
    ? { ...progress, created_operations: progress.created_operations + 1 }
    : { ...progress, skipped_agents: progress.skipped_agents + 1, last_skip: skip }

async function closeBatch(
  app: App,
  transaction: Executor,
  locked: LockedRun,
  { ends }: Batch,
  to: Progress,
): Promise<FleetRun> {
  if (ends) await endRun(app, transaction, locked, to)
  else await moveOn(app, transaction, locked.run.record, to)
  return { ...locked.run.record, ...to }
}
