import { type RebootSchedule, rebootSchedules } from '../collections/reboot-schedules.ts'
import { hooksFor, type WriteEvent } from '../core/hooks.ts'
import { claimTarget } from './ownership.ts'
import { onePerTarget } from './schedules/one-per-target.ts'
import { settleCalendar } from './schedules/settle-calendar.ts'
import { withdrawOf } from './schedules/withdraw.ts'

async function write(event: WriteEvent<RebootSchedule>, next: () => Promise<void>): Promise<void> {
  await claimTarget(event)
  settleCalendar(event)
  return onePerTarget(event, next)
}

export default hooksFor(rebootSchedules, {
  create: write,
  update: write,
  updated: ({ app, record }) => (record.is_active ? undefined : withdrawOf(app, record.id)),
  deleted: ({ app, record }) => withdrawOf(app, record.id),
})
