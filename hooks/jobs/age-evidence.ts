import { Conflict, NotFound } from '../../core/errors.ts'
import type { Job } from '../../core/jobs.ts'
import { systemCaller } from '../../core/records/actor.ts'
import { agedEvidence, lapsedExceptions, orphanedEvidence } from '../operations/outdated-evidence.ts'

/** What was found on a host does not hold for ever: it becomes unknown again. */
export const ageEvidence: Job = {
  name: 'age-evidence',
  schedule: '0 */5 * * * *',
  async run(app) {
    const now = app.clock()
    const outdated = [
      ...(await agedEvidence(app.database, now)),
      ...(await lapsedExceptions(app.database, now)),
      ...(await orphanedEvidence(app.database, now)),
    ]
    for (const { id, checked_at } of outdated) {
      try {
        const caller = { ...systemCaller, act: 'drop-evidence' }
        await app.records.update('agents', id, { body: { checked_at } }, caller)
      } catch (error) {
        if (!(error instanceof Conflict || error instanceof NotFound)) throw error
        app.log.debug({ agent: id }, 'An agent was checked or deleted before its evidence was dropped.')
      }
    }
  },
}
