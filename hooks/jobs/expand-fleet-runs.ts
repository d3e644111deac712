import { fleetRuns } from '../../collections/fleet-runs.ts'
import type { App } from '../../core/app.ts'
import type { Job } from '../../core/jobs.ts'
import { findAll } from '../../core/records/read.ts'
import { expandSome } from '../fleet/expand-run.ts'
import { isPassing } from '../schedules/fire.ts'

const RUNS = 100

/** What fleet schedules have fired: each run a part at a time in turn, so that a large fleet keeps no small one waiting. */
export const expandFleetRuns: Job = {
  name: 'expand-fleet-runs',
  schedule: '*/15 * * * * *',
  queued: { everySeconds: 2 },
  async run(app) {
    const rested = new Set<string>()
    for (let runs = await open(app, rested); runs.length > 0; runs = await open(app, rested))
      for (const { id } of runs) if (!(await expandOne(app, id))) rested.add(id)
  },
}

/** One that cannot go on now is none of the others' business. */
async function expandOne(app: App, id: string): Promise<boolean> {
  try {
    return await expandSome(app, id)
  } catch (error) {
    if (isPassing(error)) app.log.warn({ err: error, run: id }, 'A fleet run waits; it is tried again.')
    else app.log.error({ err: error, run: id }, 'A fleet run cannot go on; it is tried again.')
    return false
  }
}

const open = (app: App, rested: ReadonlySet<string>) =>
  findAll(
    app.database,
    fleetRuns,
    `"status" = 'expanding' and not ("id" = any($1::text[])) order by "scheduled_for", "id" limit ${RUNS}`,
    [[...rested]],
  )
