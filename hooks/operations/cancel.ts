import type { PatchOperation } from '../../collections/patch-operations.ts'
import { BadRequest, Conflict } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { formatTime } from '../../core/time.ts'
import { WITHDRAWN } from '../schedules/withdrawn.ts'
import { releaseLock } from './lock.ts'
import { isFinished, isLost } from './states.ts'

/** The owner calls an operation off: at once while nobody has it, else by asking the agent to stop. */
export function cancel(event: WriteEvent<PatchOperation>): void {
  const { before, body, now } = event
  if (body.status !== undefined && body.status !== 'cancelled' && body.status !== before.status)
    throw new BadRequest('Failed to update record.', {
      status: { code: 'validation_invalid_value', message: 'Only "cancelled" can be set.' },
    })
  event.record = { ...before }
  if (body.status !== 'cancelled') return
  if (isLost(before) && body.force === true) {
    releaseLock(event)
    event.record.error_message = `${before.error_message} The target was freed by its owner.`.trim()
    return
  }
  if (isFinished(before)) throw new Conflict(`The operation is already ${before.status}.`)
  if (before.status === 'running') {
    event.record.cancel_requested_at ||= formatTime(now)
    return
  }
  event.record.status = 'cancelled'
  event.record.completed_at = formatTime(now)
  releaseLock(event)
}

/** Its schedule was switched off or deleted, and no agent has it yet. */
export function withdraw(event: WriteEvent<PatchOperation>): void {
  const { before, now } = event
  if (before.status !== 'pending') throw new Conflict(`The operation is ${before.status}.`)
  event.record = {
    ...before,
    status: 'cancelled',
    completed_at: formatTime(now),
    error_message: WITHDRAWN,
  }
  releaseLock(event)
}
