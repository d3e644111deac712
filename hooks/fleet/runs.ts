import { type FleetRun, fleetRuns } from '../../collections/fleet-runs.ts'
import { type FleetSchedule, fleetSchedules } from '../../collections/fleet-schedules.ts'
import type { App } from '../../core/app.ts'
import type { Collection, RecordOf } from '../../core/collection.ts'
import type { Executor } from '../../core/db/database.ts'
import { quote } from '../../core/db/statement.ts'
import { systemCaller } from '../../core/records/actor.ts'
import { amend } from '../../core/records/amend.ts'
import { columnsOf, findAll } from '../../core/records/read.ts'
import { formatTime } from '../../core/time.ts'

type Locked<R> = { record: R; version: string }
/** A run that is this transaction's until it has committed, and its schedule. */
export type LockedRun = { run: Locked<FleetRun>; schedule: Locked<FleetSchedule> }
export type Progress = Pick<FleetRun, 'reached' | 'created_operations' | 'skipped_agents' | 'last_skip'>

const TEXT_MAX = 1000

/** What `last_skip` says while nobody can say whose turn it is. */
const NOT_FOUND = 'Its agents could not be looked up: '
export const notFound = (why: string): string => NOT_FOUND + why
export const isNotFound = ({ last_skip }: Pick<FleetRun, 'last_skip'>): boolean =>
  last_skip.startsWith(NOT_FOUND)

/**
 * The run where it stands as it was read. Undefined where it has gone on or another server has it. `ends` says that
 * the schedule is to be written, too.
 */
export async function lockRun(
  transaction: Executor,
  { id, reached, fleet_schedule_id }: Pick<FleetRun, 'id' | 'reached' | 'fleet_schedule_id'>,
  ends: boolean,
): Promise<LockedRun | undefined> {
  const lock = ends ? 'for update' : ''
  const where = `"id" = $1 and "reached" = $2 and "status" = 'expanding' for update skip locked`
  // They are carried out in this order, which is that of a schedule's deletion.
  const [schedule, run] = await Promise.all([
    lockOne(transaction, fleetSchedules, `"id" = $1 ${lock}`, [fleet_schedule_id]),
    lockOne(transaction, fleetRuns, where, [id, reached]),
  ])
  return schedule && run && { run, schedule }
}

async function lockOne<C extends Collection>(
  transaction: Executor,
  collection: C,
  condition: string,
  parameters: unknown[],
): Promise<Locked<RecordOf<C>> | undefined> {
  const [row] = await transaction.run<RecordOf<C> & { _version: string }>(
    `select ${columnsOf(collection)}, xmin::text as "_version" from ${quote(collection.name)} where ${condition}`,
    parameters,
  )
  if (!row) return undefined
  const { _version: version, ...record } = row
  return { record: record as unknown as RecordOf<C>, version }
}

/** How far it has come. Subscribers hear of a run's beginning and end, not of every step. */
export async function moveOn(app: App, transaction: Executor, { id }: FleetRun, to: Progress): Promise<void> {
  const { reached, created_operations, skipped_agents, last_skip } = to
  await transaction.run(
    `update "fleet_runs" set "reached" = $2, "created_operations" = $3, "skipped_agents" = $4, "last_skip" = $5,
     "updated" = $6 where "id" = $1`,
    [id, reached, created_operations, skipped_agents, last_skip.slice(0, TEXT_MAX), formatTime(app.clock())],
  )
}

/** Nothing more is made of the run, and its schedule says what became of it. */
export async function endRun(
  app: App,
  transaction: Executor,
  { run, schedule }: LockedRun,
  { reached, created_operations, skipped_agents, last_skip }: Progress,
): Promise<void> {
  const change = {
    ...{ status: 'done', reached, created_operations, skipped_agents },
    last_skip: last_skip.slice(0, TEXT_MAX),
  }
  await amend(app, transaction, fleetRuns, run, change, systemCaller)
  const made = `run ${run.record.id}: ${created_operations} made`
  const last_status = last_skip ? `${made}, ${skipped_agents} skipped: ${last_skip}` : made
  const said = { last_status: last_status.slice(0, TEXT_MAX) }
  await amend(app, transaction, fleetSchedules, schedule, said, systemCaller)
}

/**
 * Ends what a schedule that was switched off has under way. It waits for a batch that is being made; so whatever is
 * withdrawn after this is all there is.
 */
export async function endRunsOf(app: App, schedule: string, why: string): Promise<void> {
  const open = await findAll(app.database, fleetRuns, `"fleet_schedule_id" = $1 and "status" = 'expanding'`, [
    schedule,
  ])
  for (const { id } of open)
    await app.transaction(async (transaction) => {
      const run = await lockOne(transaction, fleetRuns, `"id" = $1 and "status" = 'expanding' for update`, [
        id,
      ])
      const change = { status: 'done', last_skip: why }
      if (run) await amend(app, transaction, fleetRuns, run, change, systemCaller)
    })
}
