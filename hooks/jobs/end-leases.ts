import type { Job } from '../../core/jobs.ts'
import { addSeconds, formatTime } from '../../core/time.ts'
import { unbrokenTime } from '../../core/unbroken-time.ts'
import { sweep } from '../operations/lease.ts'
import { LEASE_SECONDS } from '../operations/states.ts'

/** Running operations whose agent has not renewed its claim, for one full term in which it could. */
export function endLeases(steady?: () => number): Job {
  const time = unbrokenTime(steady)
  return {
    name: 'end-leases',
    schedule: '*/10 * * * * *',
    async run(app) {
      const now = app.clock()
      if (now < addSeconds(time.since(app, now), LEASE_SECONDS)) return
      try {
        await sweep(app, 'lose-lease', `"status" = 'running' and "lease_expires_at" < $1`, [formatTime(now)])
      } catch (error) {
        time.broken(app)
        throw error
      }
    },
  }
}
