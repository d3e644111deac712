import { operationLocks } from '../../collections/operation-locks.ts'
import { indexName } from '../../core/collection.ts'
import { type Executor, UniqueViolation } from '../../core/db/database.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { newId } from '../../core/id.ts'
import { findOne } from '../../core/records/read.ts'
import { formatTime } from '../../core/time.ts'
import type { Container } from '../ownership.ts'
import { busyWith } from './busy.ts'

/** A container is the same target wherever in its cluster it runs. */
export const targetOf = (operation: Pick<Holder, 'agent_id'>, container?: Container): string =>
  container
    ? `container:${container.cluster_id || container.agent_id}:${container.vmid}`
    : `host:${operation.agent_id}`

/** What holds a target: an operation of either kind. */
type Holder = { id: string; agent_id: string }

/** Takes the target's lock in the statement that creates the operation. */
export function takeLock(event: WriteEvent<Holder>, target: string): void {
  const at = formatTime(event.now)
  event.also((bind) => {
    const values = [newId(), at, at, target, event.record.id, event.record.agent_id]
    return `insert into "operation_locks" ("id", "created", "updated", "target", "operation", "agent_id")
      select ${values.map((value) => bind(value)).join(', ')} from written`
  })
}

/** Frees the target in the statement that ends the operation. */
export function releaseLock(event: WriteEvent<Holder>): void {
  event.also(
    (bind) =>
      `delete from "operation_locks" where "operation" = ${bind(event.before.id)} and exists (select 1 from written)`,
  )
}

/** Turns the lock's refusal into a sentence that names who holds it. */
export async function explainLock(database: Executor, error: unknown, target: string): Promise<unknown> {
  if (!(error instanceof UniqueViolation) || error.index !== indexName('operation_locks', ['target']))
    return error
  const lock = await findOne(database, operationLocks, '"target" = $1', [target])
  return busyWith(database, lock?.operation ?? '', 'on this target')
}
