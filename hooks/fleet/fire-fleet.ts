import { fleetRuns } from '../../collections/fleet-runs.ts'
import { type FleetSchedule, fleetSchedules } from '../../collections/fleet-schedules.ts'
import type { StoredRecord } from '../../core/collection.ts'
import { Conflict } from '../../core/errors.ts'
import { formatTime } from '../../core/time.ts'
import type { Recurring } from '../schedules/fire.ts'
import { scheduleCaller } from '../schedules/fire-patch.ts'
import { ownerOf, refuseBadFilter } from './matching.ts'

/**
 * A due time of a fleet schedule becomes a run, which `expand-run.ts` turns into operations: its agents may be
 * thousands, and what else is due waits for the transaction this happens in.
 */
export const fleetPatching: Recurring = {
  collection: fleetSchedules,
  makes: fleetRuns,
  async fire(app, part, id, stored, { at, notAfter }) {
    const { id: fleet_schedule_id, user_id, filter } = stored as StoredRecord & FleetSchedule
    const owner = await ownerOf(app, part, user_id)
    if (!owner) throw new Conflict('Its owner is gone.')
    refuseBadFilter(app, filter, owner)
    const times = { scheduled_for: formatTime(at), not_after: formatTime(notAfter) }
    const body = { id, user_id, fleet_schedule_id, ...times }
    await app.records.within(part).create('fleet_runs', { body }, scheduleCaller)
  },
}
