import type { Agent } from '../../collections/agents.ts'
import type { FleetRun } from '../../collections/fleet-runs.ts'
import type { FleetSchedule } from '../../collections/fleet-schedules.ts'
import { operationLocks } from '../../collections/operation-locks.ts'
import type { App } from '../../core/app.ts'
import type { Executor } from '../../core/db/database.ts'
import { AppError } from '../../core/errors.ts'
import { idFor } from '../../core/id.ts'
import { findAll } from '../../core/records/read.ts'
import { targetOf } from '../operations/lock.ts'
import { isPassing, sentenceOf } from '../schedules/fire.ts'
import { scheduleCaller } from '../schedules/fire-patch.ts'

/** What each agent of a run is given, and until when it may begin. */
export type Gift = { run: FleetRun; schedule: FleetSchedule; not_after: string }
export type Receiver = Pick<Agent, 'id' | 'hostname' | 'status'>

/** Undefined where the agent has its operation now; else why it was skipped. Throws what another moment may mend. */
export async function give(
  app: App,
  transaction: Executor,
  gift: Gift,
  agent: Receiver,
): Promise<string | undefined> {
  if (agent.status !== 'active') return barred(agent)
  try {
    await app.attempt(transaction, (part) => create(app, part, gift, agent))
    return undefined
  } catch (error) {
    if (isPassing(error)) throw error
    if (error instanceof AppError) return sentenceOf(error)
    app.log.error({ err: error, run: gift.run.id, agent: agent.id }, 'An agent was given no operation.')
    return 'An error of the server; its log says more.'
  }
}

/**
 * The same for many, whose statements are under way at the same time. Where one of those fails the transaction is lost:
 * throws, whatever it was.
 */
export async function giveTogether(
  app: App,
  transaction: Executor,
  gift: Gift,
  agents: readonly Receiver[],
): Promise<(string | undefined)[]> {
  const ids = agents.map(({ id }) => id)
  const targets = ids.map((id) => targetOf({ agent_id: id }))
  const [held] = await Promise.all([
    findAll(transaction, operationLocks, '"target" = any($1::text[])', [targets]),
    // In one order everywhere, so that two transactions never wait for each other's agents.
    transaction.run('select 1 from "agents" where "id" = any($1::text[]) order by "id" for no key update', [
      ids,
    ]),
  ])
  const busy = new Set(held.map(({ target }) => target))
  const skips = await Promise.allSettled(
    agents.map(async (agent) => {
      if (agent.status !== 'active') return barred(agent)
      if (!busy.has(targetOf({ agent_id: agent.id }))) await create(app, transaction, gift, agent)
      return undefined
    }),
  )
  const told = skips.map((result) => {
    if (result.status === 'fulfilled') return result.value
    if (isPassing(result.reason) || !(result.reason instanceof AppError)) throw result.reason
    return sentenceOf(result.reason)
  })
  for (const [at, agent] of agents.entries())
    if (busy.has(targetOf({ agent_id: agent.id }))) told[at] = await give(app, transaction, gift, agent)
  return told
}

const barred = ({ hostname, status }: Receiver): string => `The agent of ${hostname} is ${status}.`

async function create(
  app: App,
  part: Executor,
  { run: { scheduled_for }, schedule, not_after }: Gift,
  agent: Receiver,
): Promise<void> {
  const { id: fleet_schedule_id, mode, security_only, after_patch } = schedule
  const body = {
    ...{ id: idFor(fleet_schedule_id, scheduled_for, agent.id), agent_id: agent.id },
    ...{ mode, security_only, after_patch, not_after },
    ...{ fleet_schedule_id, scheduled_for },
  }
  await app.records.within(part).create('patch_operations', { body }, scheduleCaller)
}
