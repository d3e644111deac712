import { type PatchSchedule, patchSchedules } from '../collections/patch-schedules.ts'
import { hooksFor, type WriteEvent } from '../core/hooks.ts'
import { followedDryRun } from './operations/followed-dry-run.ts'
import { claimTarget } from './ownership.ts'
import { onePerTarget } from './schedules/one-per-target.ts'
import { settleCalendar } from './schedules/settle-calendar.ts'
import { withdrawOf } from './schedules/withdraw.ts'
import { refuseUnreadable } from './unreadable.ts'

async function write(event: WriteEvent<PatchSchedule>, next: () => Promise<void>): Promise<void> {
  await claimTarget(event)
  refuseUnreadable(event, ['security_only', 'snapshot'])
  settleCalendar(event, followedDryRun(event.record))
  return onePerTarget(event, next)
}

export default hooksFor(patchSchedules, {
  create: write,
  update: write,
  updated: ({ app, record }) => (record.is_active ? undefined : withdrawOf(app, record.id)),
  deleted: ({ app, record }) => withdrawOf(app, record.id),
})
