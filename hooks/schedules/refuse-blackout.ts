import type { Executor } from '../../core/db/database.ts'
import { Conflict } from '../../core/errors.ts'
import { formatTime, parseTime } from '../../core/time.ts'
import { blackoutAt, blackoutsOf, freeFrom } from './blackouts.ts'

/** What a schedule has made; without one it is what a person has ordered, and his business. */
type Scheduled = { user_id: string; schedule_id: string; fleet_schedule_id?: string; not_after: string }

/** Those who wait for the end of a blackout do not all come at once. */
const SPREAD_MS = 20_000
/** It may be deleted, or made shorter. */
const WAIT_MS_MAX = 300_000

/**
 * Nothing that a schedule has made is begun in a blackout, though this was made later. Throws Conflict naming it,
 * with `retry_after_ms` where it is over before the operation's time is.
 */
export async function refuseBlackout(
  database: Executor,
  { user_id, schedule_id, fleet_schedule_id, not_after }: Scheduled,
  now: Date,
): Promise<void> {
  if (schedule_id === '' && !fleet_schedule_id) return
  const list = await blackoutsOf(database, [user_id], now)
  const blackout = blackoutAt(list, user_id, now)
  if (!blackout) return
  const free = freeFrom(list, user_id, now)
  const left = (parseTime(not_after)?.getTime() ?? Number.POSITIVE_INFINITY) - free.getTime()
  const waitMs = free.getTime() - now.getTime() + Math.random() * Math.min(SPREAD_MS, left / 2)
  throw new Conflict(
    `The blackout ${JSON.stringify(blackout.name)} lasts until ${formatTime(free)}; nothing that a schedule has made begins before.`,
    left > 0
      ? {
          retry_after_ms: Math.ceil(
            waitMs < WAIT_MS_MAX ? waitMs : WAIT_MS_MAX * (0.8 + 0.2 * Math.random()),
          ),
        }
      : {},
  )
}
