import { operationLocks } from '../collections/operation-locks.ts'
import { patchOperations } from '../collections/patch-operations.ts'
import { BadRequest } from '../core/errors.ts'
import { hooksFor } from '../core/hooks.ts'
import { callerFrom } from '../core/records/actor.ts'
import { findOne } from '../core/records/read.ts'
import { cancel, withdraw } from './operations/cancel.ts'
import { claim, expire } from './operations/claim.ts'
import { loseLease } from './operations/lease.ts'
import { report } from './operations/report.ts'
import { request } from './operations/request.ts'
import { isFinished } from './operations/states.ts'
import { keepingWhy } from './operations/told-to-wait.ts'
import { skipAfterPatch } from './reboots/follow-operation.ts'
import { followUp } from './reboots/follow-up.ts'

/** Who may move an operation where; the states are drawn in `operations/states.ts`. */
export default hooksFor(patchOperations, {
  create: request,

  async update(event, next) {
    const { act } = event.caller
    if (act === 'report') return report(event, next)
    if (callerFrom(event.caller, 'agents')) return keepingWhy(event, () => claim(event, next))
    if (act === 'expire') expire(event)
    else if (act === 'lose-lease') await loseLease(event)
    else if (act === 'withdraw') withdraw(event)
    else if (act === 'skip-after-patch') skipAfterPatch(event)
    else cancel(event)
    return next()
  },

  updated({ app, record }) {
    return record.after_patch_state === 'wanted' ? followUp(app, record.id) : undefined
  },

  async delete({ database, before }, next) {
    if (!isFinished(before)) throw new BadRequest(`The operation is ${before.status}; cancel it first.`)
    // Only the lock tells a lost operation from one whose target was freed since.
    if (await findOne(database, operationLocks, '"operation" = $1', [before.id]))
      throw new BadRequest('The operation may still be running on its target; free the target first.')
    return next()
  },
})
