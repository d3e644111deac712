import { BadRequest } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'

/**
 * What a schedule makes has an id that follows from it; whoever could take that id before would keep the hosts of
 * somebody else from their updates.
 */
export function refuseOwnId<R>({ caller, body }: WriteEvent<R>): void {
  if (caller.actor.kind === 'system' || !body.id) return
  throw new BadRequest('Failed to create record.', {
    id: { code: 'validation_invalid_value', message: 'Leave it out: the server gives it.' },
  })
}
