import type { Agent } from '../../collections/agents.ts'
import type { FleetRun } from '../../collections/fleet-runs.ts'
import type { App } from '../../core/app.ts'
import type { Executor } from '../../core/db/database.ts'
import { AppError } from '../../core/errors.ts'
import { idFor } from '../../core/id.ts'
import { formatTime, parseTime } from '../../core/time.ts'
import { blackoutAt, blackoutsOf, endBefore } from '../schedules/blackouts.ts'
import { isPassing, sentenceOf } from '../schedules/fire.ts'
import { scheduleCaller } from '../schedules/fire-patch.ts'
import { endRun, isNotFound, type LockedRun, lockRun, moveOn } from './runs.ts'

export type Batch = {
  /** As it was when these agents were looked up. */
  run: FleetRun
  agents: readonly Pick<Agent, 'id' | 'hostname' | 'status'>[]
  /** There are no more after these. */
  ends: boolean
}

/**
 * Gives some agents their operations and moves the run on to behind them, together. Answers the run as it stands then,
 * or undefined where the rest of them must wait: somebody else has the run, or a row that is needed.
 */
export async function expandBatch(
  app: App,
  transaction: Executor,
  batch: Batch,
): Promise<FleetRun | undefined> {
  const locked = await lockRun(transaction, batch.run, batch.ends)
  if (!locked?.schedule.record.is_active) return undefined
  const { record: run } = locked.run
  const now = app.clock()
  const end = parseTime(run.not_after)
  if (!end || now >= end) return undefined
  const blackouts = await blackoutsOf(transaction, [run.user_id], now)
  if (blackoutAt(blackouts, run.user_id, now)) return undefined
  const not_after = formatTime(endBefore(blackouts, run.user_id, now, end))

  const reached = { ...run, ...(isNotFound(run) && { last_skip: '' }) }
  for (const agent of batch.agents) {
    try {
      const skip = await giveOperation(app, transaction, locked, agent, not_after)
      if (skip === undefined) reached.created_operations++
      else Object.assign(reached, { skipped_agents: reached.skipped_agents + 1, last_skip: skip })
    } catch (error) {
      if (!isPassing(error)) throw error
      app.log.warn({ err: error, run: run.id, agent: agent.id }, 'A fleet run waits for an agent.')
      await moveOn(app, transaction, run, reached)
      return undefined
    }
    reached.reached = agent.id
  }
  if (batch.ends) await endRun(app, transaction, locked, reached)
  else await moveOn(app, transaction, run, reached)
  return reached
}

/** Undefined where the agent has its operation now; else why it was skipped. Throws what another moment may mend. */
async function giveOperation(
  app: App,
  transaction: Executor,
  { run: { record: run }, schedule: { record: schedule } }: LockedRun,
  agent: Batch['agents'][number],
  not_after: string,
): Promise<string | undefined> {
  if (agent.status !== 'active') return `The agent of ${agent.hostname} is ${agent.status}.`
  const { mode, security_only, after_patch } = schedule
  const { scheduled_for } = run
  const body = {
    ...{ id: idFor(schedule.id, scheduled_for, agent.id), agent_id: agent.id },
    ...{ mode, security_only, after_patch, not_after },
    ...{ fleet_schedule_id: schedule.id, scheduled_for },
  }
  try {
    await app.attempt(transaction, (part) =>
      app.records.within(part).create('patch_operations', { body }, scheduleCaller),
    )
    return undefined
  } catch (error) {
    if (isPassing(error)) throw error
    if (error instanceof AppError) return sentenceOf(error)
    app.log.error({ err: error, run: run.id, agent: agent.id }, 'An agent was given no operation.')
    return 'An error of the server; its log says more.'
  }
}
