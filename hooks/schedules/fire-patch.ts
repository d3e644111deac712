import { patchOperations } from '../../collections/patch-operations.ts'
import { type PatchSchedule, patchSchedules } from '../../collections/patch-schedules.ts'
import type { StoredRecord } from '../../core/collection.ts'
import { systemCaller } from '../../core/records/actor.ts'
import { formatTime } from '../../core/time.ts'
import type { Recurring } from './fire.ts'

export const scheduleCaller = { ...systemCaller, act: 'schedule' }

/** A due time of a patch schedule becomes one operation. */
export const patching: Recurring = {
  collection: patchSchedules,
  makes: patchOperations,
  async fire(app, part, id, stored, { at, notAfter }) {
    const schedule = stored as StoredRecord & PatchSchedule
    const { agent_id, lxc_id, mode, security_only, after_patch } = schedule
    const body = {
      ...{ id, agent_id, lxc_id, mode, security_only, after_patch },
      // Left out it means: where the storage can.
      ...(lxc_id && !schedule.snapshot && { snapshot: false }),
      not_after: formatTime(notAfter),
      schedule_id: schedule.id,
      scheduled_for: formatTime(at),
    }
    await app.records.within(part).create('patch_operations', { body }, scheduleCaller)
  },
}
