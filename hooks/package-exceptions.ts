import { packageExceptions } from '../collections/package-exceptions.ts'
import { hooksFor } from '../core/hooks.ts'
import { claimTarget } from './ownership.ts'

export default hooksFor(packageExceptions, {
  async create(event, next) {
    await claimTarget(event)
    return next()
  },

  // Also on an update: an exception may be moved, but only to a machine of one's own.
  async update(event, next) {
    await claimTarget(event)
    return next()
  },
})
