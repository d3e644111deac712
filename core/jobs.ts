import cron, { type Logger } from 'node-cron'
import type { App } from './app.ts'

/** What happens when time passes. Running it twice at once, or twice in a row, must be harmless. */
export type Job = {
  name: string
  /** Six fields, seconds first. Every server runs the job then. */
  schedule: string
  /**
   * Besides, the job queue has it run this often at one of the servers. It may be away, and a run may come late or
   * twice: `schedule` says how long the job can go without.
   */
  queued?: { everySeconds: number }
  run(app: App): Promise<void>
}

/** One run. Whatever fails is in the log; never rejects. */
export async function runJob(app: App, job: Job): Promise<void> {
  try {
    await job.run(app)
  } catch (error) {
    app.log.error({ err: error, job: job.name }, 'A job failed; it runs again on its schedule.')
  }
}

/** Runs every job on its schedule; an overlong run delays its next one instead of meeting it. */
export function startJobs(app: App, jobs: readonly Job[]): { stop(): Promise<void> } {
  const tasks = jobs.map((job) =>
    cron.schedule(job.schedule, () => runJob(app, job), {
      name: job.name,
      noOverlap: true,
      logger: loggerFor(app, job.name),
    }),
  )
  return {
    async stop() {
      for (const task of tasks) await task.destroy()
    },
  }
}

/** What the scheduler says by itself, of a moment it missed or a job that is still busy. */
function loggerFor({ log }: App, job: string): Logger {
  return {
    info: (message) => log.debug({ job }, message),
    warn: (message) => log.warn({ job }, message),
    error: (message, err) => log.error({ job, err: err ?? message }, 'The scheduler failed.'),
    debug: (message) => log.debug({ job }, String(message)),
  }
}
