import type { Job } from '../../core/jobs.ts'
import { addSeconds, formatTime } from '../../core/time.ts'

const KEEP_SECONDS = 90 * 24 * 3600
/** Deleted in one statement. */
const BATCH = 1000

/**
 * What came of a due time is of no use once nobody asks any more. Streams are not told: whoever follows runs follows those
 * that are made.
 */
export const forgetFleetRuns: Job = {
  name: 'forget-fleet-runs',
  schedule: '0 43 3 * * *',
  async run(app) {
    const before = formatTime(addSeconds(app.clock(), -KEEP_SECONDS))
    let deleted: unknown[]
    do
      // What somebody else deletes at this moment needs nobody to wait for it.
      deleted = await app.database.run(
        `delete from "fleet_runs" where "id" in (
           select "id" from "fleet_runs" where "status" = 'done' and "scheduled_for" < $1
           limit ${BATCH} for update skip locked)
         returning "id"`,
        [before],
      )
    while (deleted.length === BATCH)
  },
}
