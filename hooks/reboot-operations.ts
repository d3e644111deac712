import { type RebootOperation, rebootOperations } from '../collections/reboot-operations.ts'
import { BadRequest } from '../core/errors.ts'
import { hooksFor, type WriteEvent } from '../core/hooks.ts'
import { callerFrom } from '../core/records/actor.ts'
import { keepingWhy } from './operations/told-to-wait.ts'
import { acknowledge } from './reboots/acknowledge.ts'
import { change, fail, withdraw } from './reboots/give-up.ts'
import { request } from './reboots/request.ts'
import { settle } from './reboots/settle.ts'
import { isOpen, MUTABLE_BY_AGENT } from './reboots/states.ts'

/** Who may move a reboot where; the states are drawn in `reboots/states.ts`. */
export default hooksFor(rebootOperations, {
  create: request,

  async update(event, next) {
    const { act } = event.caller
    if (callerFrom(event.caller, 'agents')) return byAgent(event, next)
    if (act === 'settle') await settle(event)
    else if (act === 'withdraw') await withdraw(event)
    else await change(event)
    return next()
  },

  async delete({ before }, next) {
    if (isOpen(before))
      throw new BadRequest(`The reboot is ${before.status}; it can be deleted when it has ended.`)
    return next()
  },
})

/** A plain update says by its status what the endpoints say by their names. */
function byAgent(event: WriteEvent<RebootOperation>, next: () => Promise<void>): Promise<void> {
  const { caller, body } = event
  const asked = caller.act ?? body.status
  if (asked === 'acknowledge' || asked === 'rebooting')
    return keepingWhy(event, () => acknowledge(event, next))
  if (asked === 'fail' || asked === 'failed') return fail(event, next)
  throw new BadRequest('Failed to update record.', {
    status: { code: 'validation_invalid_value', message: `An agent may only set ${MUTABLE_BY_AGENT}.` },
  })
}
