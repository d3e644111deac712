import { patchSchedules } from '../collections/patch-schedules.ts'
import { hooksFor } from '../core/hooks.ts'
import { claimTarget } from './ownership.ts'

export default hooksFor(patchSchedules, {
  async create(event, next) {
    await claimTarget(event)
    return next()
  },

  async update(event, next) {
    await claimTarget(event)
    return next()
  },
})
