import { rebootOperations } from '../../collections/reboot-operations.ts'
import { type RebootSchedule, rebootSchedules } from '../../collections/reboot-schedules.ts'
import type { StoredRecord } from '../../core/collection.ts'
import { idFor } from '../../core/id.ts'
import { readById } from '../../core/records/read.ts'
import { formatTime } from '../../core/time.ts'
import type { Recurring } from './fire.ts'
import { scheduleCaller } from './fire-patch.ts'

/** A due time of a reboot schedule becomes one reboot. */
export const rebooting: Recurring = {
  collection: rebootSchedules,
  async fire(app, transaction, stored: StoredRecord, { at, notAfter }) {
    const schedule = stored as StoredRecord & RebootSchedule
    const id = idFor(schedule.id, formatTime(at))
    if (await readById(transaction, rebootOperations, id)) return `reboot ${id}`
    const { agent_id, lxc_id, reason } = schedule
    const body = {
      ...{ id, agent_id, lxc_id, reason },
      not_after: formatTime(notAfter),
      schedule_id: schedule.id,
      scheduled_for: formatTime(at),
    }
    await app.records.within(transaction).create('reboot_operations', { body }, scheduleCaller)
    return `reboot ${id}`
  },
}
