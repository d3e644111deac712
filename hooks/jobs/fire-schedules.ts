import type { Job } from '../../core/jobs.ts'
import { fireDue } from '../schedules/fire.ts'
import { patching } from '../schedules/fire-patch.ts'
import { rebooting } from '../schedules/fire-reboot.ts'

/** Whatever is due by its calendar. */
export const fireSchedules: Job = {
  name: 'fire-schedules',
  schedule: '*/15 * * * * *',
  queued: { everySeconds: 2 },
  async run(app) {
    for (const recurring of [patching, rebooting]) await fireDue(app, recurring)
  },
}
