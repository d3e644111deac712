import type { RebootOperation } from '../../collections/reboot-operations.ts'
import { BadRequest, Conflict } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { paragraphs } from '../operations/printable.ts'
import { WITHDRAWN } from '../schedules/withdrawn.ts'
import { end, targetsOf } from './end.ts'
import { isOpen } from './states.ts'

type Reboot = WriteEvent<RebootOperation>

const MESSAGE_LENGTH_MAX = 2000
const UNSAID = 'The agent could not restart it, and did not say why.'
const BY_OWNER = 'Withdrawn before the agent took it.'

/** The agent could not do it. A repeat is answered as the first was. */
export async function fail(event: Reboot, write: () => Promise<void>): Promise<void> {
  const { before, body } = event
  event.record = { ...before }
  if (before.status === 'failed') return
  if (!isOpen(before)) throw new Conflict(`The reboot is already ${before.status}.`)
  const given = typeof body.error_message === 'string' ? body.error_message : ''
  const error_message = paragraphs(given, MESSAGE_LENGTH_MAX).trim() || UNSAID
  end(event, { status: 'failed', error_message }, await targetsOf(event))
  return write()
}

/** Its schedule does not stand any more (act `withdraw`), and no agent has it yet. */
export const withdraw = (event: Reboot): Promise<void> => takeBack(event, WITHDRAWN)

/** The owner takes it back; nothing else of it is his to change. */
export async function change(event: Reboot): Promise<void> {
  const { before, body } = event
  if (body.status !== undefined && body.status !== 'failed' && body.status !== before.status)
    throw new BadRequest('Failed to update record.', {
      status: {
        code: 'validation_invalid_value',
        message: 'Only "failed" can be set, which withdraws a reboot that no agent has acknowledged.',
      },
    })
  event.record = { ...before }
  if (body.status === 'failed') await takeBack(event, BY_OWNER)
}

async function takeBack(event: Reboot, error_message: string): Promise<void> {
  const { status } = event.before
  if (status === 'rebooting') throw new Conflict('The reboot is under way; its agent has acknowledged it.')
  if (!isOpen(event.before)) throw new Conflict(`The reboot is already ${status}.`)
  end(event, { status: 'failed', error_message }, await targetsOf(event))
}
