import { type PatchOperation, patchOperations } from '../../collections/patch-operations.ts'
import type { App } from '../../core/app.ts'
import { AppError, Conflict, NotFound } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { systemCaller } from '../../core/records/actor.ts'
import { findAll } from '../../core/records/read.ts'
import { formatTime } from '../../core/time.ts'
import { doubt } from './conclusions.ts'
import { LEASE_SECONDS } from './states.ts'

/** Nobody has renewed the claim: a failure until the agent speaks again. The target stays locked. */
export async function loseLease(event: WriteEvent<PatchOperation>): Promise<void> {
  const { before, now } = event
  // Renewed between the sweep's look and this.
  if (before.status !== 'running' || before.lease_expires_at > formatTime(now))
    throw new Conflict('The lease is alive.')
  event.record = {
    ...before,
    status: 'failed',
    outcome: 'lease_lost',
    completed_at: formatTime(now),
    error_message: `The agent was not heard of for ${LEASE_SECONDS} seconds; the script may still be running.`,
  }
  await doubt(event)
}

/** Ends, one by one, what `condition` finds; what has moved on meanwhile is left alone. */
export async function sweep(app: App, act: string, condition: string, parameters: unknown[]): Promise<void> {
  const due = await findAll(app.database, patchOperations, `${condition} limit 1000`, parameters)
  for (const { id } of due) {
    try {
      await app.records.update('patch_operations', id, { body: {} }, { ...systemCaller, act })
    } catch (error) {
      if (error instanceof AppError && error.status >= 500) throw error
      if (error instanceof Conflict || error instanceof NotFound)
        app.log.debug({ operation: id, act }, 'An operation moved on before the sweep came to it.')
      // One that cannot be ended must not keep the others open.
      else app.log.error({ err: error, operation: id, act }, 'An operation could not be ended.')
    }
  }
}
