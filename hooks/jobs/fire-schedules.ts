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
    const parts = [
      // An hour's window ends when the next hour is due: what nobody took must not be in its way.
      () => expireOperations.run(app),
      ...[patching, rebooting, fleetPatching].map((recurring) => () => fireDue(app, recurring)),
    ]
    const failures: unknown[] = []
    for (const part of parts) await part().catch((error: unknown) => failures.push(error))
    // All of them: one must not hide another.
    if (failures.length > 0) throw new AggregateError(failures, 'Not everything that was due could be fired.')
  },
}
