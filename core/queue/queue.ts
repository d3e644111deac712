import { setTimeout as rest } from 'node:timers/promises'
import type { App } from '../app.ts'
import type { Connection } from '../db/connection.ts'
import { type Job, runJob } from '../jobs.ts'
import type { Log } from '../log.ts'
import { backendFor } from './backend.ts'
import { openEngine, type Recurring } from './engine.ts'

/** How soon what was lost is noticed: a flushed Redis, a scheduler that stands still. */
const LOOK_MS = 5000
/** After a break, until it is opened anew. */
const RETRY_MS = 2000

/**
 * Runs the jobs that are `queued` every so many seconds, at one of the servers each time. It comes up beside the
 * server and may be away at any moment: whatever it does is done on the jobs' schedules, too, only later. Never
 * throws; within a second of its disposal nothing of it is left.
 */
export function openQueue(app: App, connection: Connection, jobs: readonly Job[]): AsyncDisposable {
  const recurring = jobs.flatMap(({ queued, ...job }): Recurring[] =>
    queued ? [{ name: job.name, ...queued, run: () => runJob(app, job) }] : [],
  )
  const stop = new AbortController()
  const stopped = stop.signal
  const pause = (milliseconds: number) =>
    rest(milliseconds, undefined, { signal: stopped }).catch(() => undefined)
  const outage = followOutage(app.log)

  const serve = async () => {
    const backend = await backendFor(app, connection)
    await using engine = await openEngine(backend, recurring, stopped)
    while (!stopped.aborted) {
      await engine.heal()
      outage.end()
      await Promise.race([pause(LOOK_MS), engine.broken])
    }
  }
  const goOn = async () => {
    while (!stopped.aborted) {
      try {
        await serve()
      } catch (error) {
        if (!stopped.aborted) outage.begin((error as Error).message)
      }
      await pause(RETRY_MS)
    }
  }
  const ended = recurring.length > 0 ? goOn() : Promise.resolve()
  return {
    async [Symbol.asyncDispose]() {
      stop.abort()
      await ended
    },
  }
}

/** One line when it goes and one when it is back, however often it is tried in between. */
function followOutage(log: Log) {
  let away = false
  return {
    // The message alone: a driver's error may carry the command, with the password.
    begin(reason: string): void {
      if (!away) log.warn({ reason }, 'The job queue is away: every server runs its jobs by cron alone.')
      away = true
    },
    end(): void {
      if (away) log.info('The job queue is back.')
      away = false
    },
  }
}
