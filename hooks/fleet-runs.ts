import { fleetRuns } from '../collections/fleet-runs.ts'
import { Forbidden } from '../core/errors.ts'
import { hooksFor } from '../core/hooks.ts'

const refusal = () => new Forbidden('Runs of fleet schedules are written by the server alone.')

/** Which agents have had their turn decides what is made: not even superusers say so. */
export default hooksFor(fleetRuns, {
  async create({ caller, body, record }, next) {
    if (caller.act !== 'schedule') throw refusal()
    record.user_id = String(body.user_id)
    return next()
  },

  async update() {
    throw refusal()
  },
})
