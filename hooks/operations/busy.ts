import { type PatchOperation, patchOperations } from '../../collections/patch-operations.ts'
import { type RebootOperation, rebootOperations } from '../../collections/reboot-operations.ts'
import type { Executor } from '../../core/db/database.ts'
import { Conflict } from '../../core/errors.ts'
import { readById } from '../../core/records/read.ts'
import { isLost } from './states.ts'

/** Something else is under way on the target, and will end. */
export class TargetBusy extends Conflict {
  override name = 'TargetBusy'
}

type Extra = { retry_after_ms?: number }

/** Names what is in the way, whichever kind of operation it is; `where` ends "on this target". */
export async function busyWith(
  database: Executor,
  id: string,
  where: string,
  extra?: Extra,
): Promise<TargetBusy> {
  const operation = await readById(database, patchOperations, id)
  if (operation) return busyPatching(operation, where, extra)
  const reboot = await readById(database, rebootOperations, id)
  if (reboot) return busyRebooting(reboot, where, extra)
  return new TargetBusy(`Operation ${id || 'another'} ${where} is not finished; wait for it.`, {
    operation_id: id,
    ...extra,
  })
}

export const busyPatching = (first: PatchOperation & { id: string }, where: string, extra?: Extra) =>
  new TargetBusy(
    isLost(first)
      ? `Operation ${first.id} was lost track of and may still be running ${where}; wait for its agent, or free the target with {"status": "cancelled", "force": true}.`
      : `Operation ${first.id} ${where} is not finished (${first.status}); wait for it or cancel it.`,
    { operation_id: first.id, ...extra },
  )

export const busyRebooting = (first: RebootOperation & { id: string }, where: string, extra?: Extra) =>
  new TargetBusy(`Reboot ${first.id} ${where} is not finished (${first.status}); wait for it.`, {
    reboot_id: first.id,
    ...extra,
  })
