import { type PatchOperation, patchOperations } from '../../collections/patch-operations.ts'
import { proxmoxLxc } from '../../collections/proxmox-lxc.ts'
import type { App } from '../../core/app.ts'
import { AppError, Conflict, NotFound } from '../../core/errors.ts'
import { idFor } from '../../core/id.ts'
import { systemCaller } from '../../core/records/actor.ts'
import { LostRace } from '../../core/records/lost-race.ts'
import { readById } from '../../core/records/read.ts'
import { formatTime } from '../../core/time.ts'
import { TargetBusy } from '../operations/busy.ts'

const LATE = 'Its time was over before the target could be restarted.'

/** Asks for the restarts that operations are waiting for, as far as nothing is in their way. */
export async function followUpAll(app: App): Promise<void> {
  const wanted = await app.database.run<{ id: string }>(
    `select "id" from "patch_operations" where "after_patch_state" = 'wanted' order by "completed_at" limit 5000`,
  )
  for (const { id } of wanted) {
    try {
      await followUp(app, id)
    } catch (error) {
      app.log.error({ err: error, operation: id }, 'A restart after an update is tried again later.')
    }
  }
}

/**
 * Asks for the restart that one operation wants. While something else is unfinished on the target it stays wanted;
 * once its time is over, or where the host would refuse it, it is skipped.
 */
export async function followUp(app: App, id: string): Promise<void> {
  const operation = await readById(app.database, patchOperations, id)
  if (operation?.after_patch_state !== 'wanted') return
  if (formatTime(app.clock()) > operation.not_after) return skip(app, id, LATE)
  try {
    await app.records.create(
      'reboot_operations',
      { body: await bodyOf(app, operation) },
      caller('after-patch'),
    )
  } catch (error) {
    const isPassing =
      error instanceof TargetBusy ||
      error instanceof LostRace ||
      !(error instanceof AppError) ||
      error.status >= 500
    if (!isPassing) return skip(app, id, error.message)
    if (!(error instanceof TargetBusy || error instanceof LostRace)) throw error
    app.log.debug({ operation: id, reason: error.message }, 'A restart after an update waits.')
  }
}

/** A container may have moved to another node of its cluster meanwhile. */
async function bodyOf(
  app: App,
  operation: PatchOperation & { id: string },
): Promise<Record<string, unknown>> {
  const { id, lxc_id, not_after } = operation
  const container = lxc_id ? await readById(app.database, proxmoxLxc, lxc_id) : undefined
  return {
    id: idFor('after-patch', id),
    agent_id: container?.agent_id ?? operation.agent_id,
    lxc_id,
    operation_id: id,
    not_after,
    reason: `After patch operation ${id}.`,
  }
}

async function skip(app: App, id: string, note: string): Promise<void> {
  try {
    await app.records.update('patch_operations', id, { body: { note } }, caller('skip-after-patch'))
  } catch (error) {
    if (!(error instanceof Conflict || error instanceof NotFound)) throw error
    app.log.debug({ operation: id }, 'An operation had its restart, or was deleted, before it was skipped.')
  }
}

const caller = (act: string) => ({ ...systemCaller, act })
