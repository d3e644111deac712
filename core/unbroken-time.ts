import type { App } from './app.ts'
import type { Clock } from './clock.ts'

/** A difference between the wall clock and the steady one that is a step, not drift. */
const STEP_MS = 5000

/**
 * Since when a job has looked at the time again and again without a break. Nobody could report while the server was
 * down, the database was gone or the clock was wrong: whoever judges by the time that has passed counts from there.
 */
export function unbrokenTime(steady: () => number = () => performance.now()) {
  const seen = new WeakMap<App, { wall: number; steady: number; since: Date }>()
  return {
    /** To be asked at every run, with the run's time. */
    since(app: App, now: ReturnType<Clock>): Date {
      const last = seen.get(app)
      const moved = last ? now.getTime() - last.wall - (steady() - last.steady) : Number.POSITIVE_INFINITY
      const since = last && Math.abs(moved) < STEP_MS ? last.since : now
      seen.set(app, { wall: now.getTime(), steady: steady(), since })
      return since
    },
    /** The database was away, and so was everybody's way to report. */
    broken: (app: App) => seen.delete(app),
  }
}
