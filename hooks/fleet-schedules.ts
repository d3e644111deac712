import { type FleetSchedule, fleetSchedules } from '../collections/fleet-schedules.ts'
import { BadRequest } from '../core/errors.ts'
import { hooksFor, type WriteEvent } from '../core/hooks.ts'
import { failed } from '../core/records/validate.ts'
import { SWITCHED_OFF } from './fleet/expand-run.ts'
import { ownerOf, refuseBadFilter } from './fleet/matching.ts'
import { endRunsOf } from './fleet/runs.ts'
import { followedDryRun } from './operations/followed-dry-run.ts'
import { settleCalendar } from './schedules/settle-calendar.ts'
import { settleOwner } from './schedules/whose.ts'
import { withdrawOf } from './schedules/withdraw.ts'
import { refuseUnreadable } from './unreadable.ts'

async function write(event: WriteEvent<FleetSchedule>, next: () => Promise<void>): Promise<void> {
  settleOwner(event)
  refuseMove(event)
  refuseUnreadable(event, ['security_only'])
  settleCalendar(event, followedDryRun(event.record))
  const { app, database, record, action } = event
  const owner = await ownerOf(app, database, record.user_id)
  // Without an owner validation says so.
  if (owner) refuseBadFilter(app, record.filter, owner, action === 'create' ? 'create' : 'update')
  return next()
}

/** What it has made is the old owner's, and its agents would be another's. */
function refuseMove({ action, before, record }: WriteEvent<FleetSchedule>): void {
  if (action !== 'update' || record.user_id === before.user_id) return
  throw new BadRequest(failed('update'), {
    user_id: {
      code: 'validation_invalid_value',
      message: 'A fleet schedule stays with its owner; make another one for somebody else.',
    },
  })
}

export default hooksFor(fleetSchedules, {
  create: write,
  update: write,
  async updated({ app, record }) {
    if (record.is_active) return
    await endRunsOf(app, record.id, SWITCHED_OFF)
    await withdrawOf(app, record.id)
  },
  deleted: ({ app, record }) => withdrawOf(app, record.id),
})
