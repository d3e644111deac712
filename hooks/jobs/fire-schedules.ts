import type { Job } from '../../core/jobs.ts'
import { fleetPatching } from '../fleet/fire-fleet.ts'
import { fireDue } from '../schedules/fire.ts'
import { patching } from '../schedules/fire-patch.ts'
import { rebooting } from '../schedules/fire-reboot.ts'
import { expireOperations } from './expire-operations.ts'

/** Whatever is due by its calendar. */
export const fireSchedules: Job = {
  name: 'fire-schedules',
  schedule: '*/15 * * * * *',
  queued: { everySeconds: 2 },
  async run(app) {
    // An hour's window ends when the next hour is due: what nobody took must not be in its way.
    await expireOperations.run(app)
    for (const recurring of [patching, rebooting, fleetPatching]) await fireDue(app, recurring)
  },
}
