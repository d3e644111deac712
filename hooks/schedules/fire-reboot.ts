import { rebootOperations } from '../../collections/reboot-operations.ts'
import { type RebootSchedule, rebootSchedules } from '../../collections/reboot-schedules.ts'
import type { StoredRecord } from '../../core/collection.ts'
import { formatTime } from '../../core/time.ts'
import type { Recurring } from './fire.ts'
import { scheduleCaller } from './fire-patch.ts'

/** A due time of a reboot schedule becomes one reboot. */
export const rebooting: Recurring = {
  collection: rebootSchedules,
  makes: rebootOperations,
  async fire(app, part, id, stored, { at, notAfter }) {
    const { id: schedule_id, agent_id, lxc_id, reason } = stored as StoredRecord & RebootSchedule
    const body = {
      ...{ id, agent_id, lxc_id, reason, schedule_id },
      not_after: formatTime(notAfter),
      scheduled_for: formatTime(at),
    }
    await app.records.within(part).create('reboot_operations', { body }, scheduleCaller)
  },
}
