import { agents } from '../../collections/agents.ts'
import { Conflict, NotFound } from '../../core/errors.ts'
import type { Job } from '../../core/jobs.ts'
import { systemCaller } from '../../core/records/actor.ts'
import { findAll } from '../../core/records/read.ts'
import { evidenceLimits } from '../operations/evidence-age.ts'

/** Hosts that nobody has looked at for too long are neither green nor amber any more. */
export const ageEvidence: Job = {
  name: 'age-evidence',
  schedule: '0 * * * * *',
  async run(app) {
    const { from, until } = evidenceLimits(app.clock())
    const condition = `"compliance" <> 'unknown' and ("checked_at" < $1 or "checked_at" > $2) limit 1000`
    const old = await findAll(app.database, agents, condition, [from, until])
    for (const { id } of old) {
      try {
        await app.records.update('agents', id, { body: {} }, { ...systemCaller, act: 'age-evidence' })
      } catch (error) {
        if (!(error instanceof Conflict || error instanceof NotFound)) throw error
        app.log.debug({ agent: id }, 'An agent was checked or deleted before its evidence was dropped.')
      }
    }
  },
}
