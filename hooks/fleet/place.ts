import { fleetSchedules } from '../../collections/fleet-schedules.ts'
import { operationLocks } from '../../collections/operation-locks.ts'
import type { PatchOperation } from '../../collections/patch-operations.ts'
import { UniqueViolation } from '../../core/db/database.ts'
import { Conflict } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { LostRace } from '../../core/records/lost-race.ts'
import { findOne, readById } from '../../core/records/read.ts'
import { parseTime } from '../../core/time.ts'
import { takeLock } from '../operations/lock.ts'

/** How many ask again in a second, of all that wait for a place of one due time. */
const ASKING_PER_SECOND = 20
const RETRY_SECONDS = { min: 10, max: 120 }

/**
 * Of one due time of a fleet schedule only so many operations run at once, over all servers: each holds a numbered
 * lock, taken with the claim and freed with the operation's other locks, so the database itself keeps one more out.
 * Throws Conflict with `retry_after_ms` where none is free.
 */
export async function takePlace(
  event: WriteEvent<PatchOperation>,
  write: () => Promise<void>,
): Promise<void> {
  const { app, database, before } = event
  if (before.fleet_schedule_id === '') return write()
  const schedule = await readById(database, fleetSchedules, before.fleet_schedule_id)
  const places = schedule?.max_running ?? 0
  if (places === 0) return write()
  const place = await freePlace(event, places)
  takeLock(event, place)
  try {
    await write()
  } catch (error) {
    if (!(error instanceof UniqueViolation)) throw error
    // The statement has failed, and a transaction with it: asked outside of it.
    if (!(await findOne(app.database, operationLocks, '"target" = $1', [place]))) throw error
    if (database !== app.database) throw await full(event, places)
    throw new LostRace()
  }
}

/** Any of them, or all who come at once would want the same. */
async function freePlace(event: WriteEvent<PatchOperation>, places: number): Promise<string> {
  const { fleet_schedule_id, scheduled_for } = event.before
  const prefix = `fleet:${fleet_schedule_id}:${scheduled_for}/`
  // "0" comes after "/". Those above the limit count, too: it may have been a higher one.
  const end = `fleet:${fleet_schedule_id}:${scheduled_for}0`
  const [found] = await event.database.run<{ held: number; place: string | null }>(
    `with held as (select "target" from "operation_locks" where "target" >= $1 and "target" < $2)
     select (select count(*) from held)::float8 as "held",
       (select $1 || n from generate_series(1, $3::int) n where $1 || n not in (select "target" from held)
        order by random() limit 1) as "place"`,
    [prefix, end, places],
  )
  if (!found?.place || found.held >= places) throw await full(event, places)
  return found.place
}

/** The more wait, the later each is to ask again: a free place is found as soon, and the server asked no more often. */
async function full({ app, before, now }: WriteEvent<PatchOperation>, places: number) {
  const [waiting] = await app.database.run<{ count: number }>(
    `select count(*)::float8 as "count" from "patch_operations"
     where "fleet_schedule_id" = $1 and "scheduled_for" = $2 and "status" = 'pending'`,
    [before.fleet_schedule_id, before.scheduled_for],
  )
  const { min, max } = RETRY_SECONDS
  const seconds = Math.min(max, Math.max(min, (waiting?.count ?? 0) / ASKING_PER_SECOND))
  const spread = seconds * 1000 * (0.5 + Math.random())
  const left = (parseTime(before.not_after)?.getTime() ?? Number.POSITIVE_INFINITY) - now.getTime()
  const retry_after_ms = Math.ceil(spread < left ? spread : Math.max(1000, left * Math.random()))
  return new Conflict(
    `${places} operations of this fleet schedule are running, and no more may at once; wait for one of them to end.`,
    { retry_after_ms },
  )
}
