import type { RebootOperation } from '../../collections/reboot-operations.ts'
import { Conflict } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { newId } from '../../core/id.ts'
import { formatTime } from '../../core/time.ts'
import { explainLock, takeLock, targetOf } from '../operations/lock.ts'
import { refuseOwnId } from '../operations/own-id.ts'
import { claimTarget } from '../ownership.ts'
import { nameOnTarget } from './exclude.ts'
import { followOperation } from './follow-operation.ts'

type Reboot = WriteEvent<RebootOperation>

/**
 * A user asks for a restart, or the server does for a schedule (act `schedule`) or after an update (act
 * `after-patch`). Throws Conflict when the host would refuse it or something is in its way.
 */
export async function request(event: Reboot, write: () => Promise<void>): Promise<void> {
  const { app, record, now } = event
  const { agent, container } = await claimTarget(event)
  refuseOwnId(event)
  if (!agent) return write()
  if (container?.status === 'removed')
    throw new Conflict(`Container ${container.vmid} is gone; there is nothing to restart.`)
  record.id ||= newId()
  Object.assign(record, { status: 'sent', vmid: container?.vmid ?? 0, requested_at: formatTime(now) })
  takeServersWord(event)
  await nameOnTarget(event, container)
  if (event.caller.act === 'after-patch') await followOperation(event)
  const target = targetOf(record, container)
  takeLock(event, target)
  try {
    await write()
  } catch (error) {
    // The statement has failed, and a transaction with it: asked outside of it.
    throw await explainLock(app.database, error, target)
  }
}

const SERVERS_FIELDS = {
  schedule: ['schedule_id', 'scheduled_for', 'not_after'],
  'after-patch': ['operation_id', 'not_after'],
} as const

/** What nobody but the server says of a restart. */
function takeServersWord({ caller, record, body }: Reboot): void {
  if (caller.act !== 'schedule' && caller.act !== 'after-patch') return
  for (const field of SERVERS_FIELDS[caller.act])
    record[field] = typeof body[field] === 'string' ? body[field] : ''
}
