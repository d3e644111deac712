import type { App } from '../../core/app.ts'
import type { Job } from '../../core/jobs.ts'
import { addSeconds, formatTime } from '../../core/time.ts'
import { sweep } from '../operations/lease.ts'
import { LEASE_SECONDS } from '../operations/states.ts'

/** A difference between the wall clock and the steady one that is a step, not drift. */
const STEP_MS = 5000

/**
 * Running operations whose agent has not renewed its claim. Nobody could renew while the server was down, the
 * database was gone or the clock was wrong: after any of these every lease first gets a full term.
 */
export function endLeases(steady: () => number = () => performance.now()): Job {
  const seen = new WeakMap<App, { wall: number; steady: number; graceUntil: Date }>()

  const graceOf = (app: App, now: Date): Date => {
    const last = seen.get(app)
    const moved = last ? now.getTime() - last.wall - (steady() - last.steady) : Number.POSITIVE_INFINITY
    const graceUntil = last && Math.abs(moved) < STEP_MS ? last.graceUntil : addSeconds(now, LEASE_SECONDS)
    seen.set(app, { wall: now.getTime(), steady: steady(), graceUntil })
    return graceUntil
  }

  return {
    name: 'end-leases',
    schedule: '*/10 * * * * *',
    async run(app) {
      const now = app.clock()
      if (now < graceOf(app, now)) return
      try {
        await sweep(app, 'lose-lease', `"status" = 'running' and "lease_expires_at" < $1`, [formatTime(now)])
      } catch (error) {
        // The database was away, and so was every agent's way to renew.
        seen.delete(app)
        throw error
      }
    },
  }
}
