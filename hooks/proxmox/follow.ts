import type { Collection, StoredRecord } from '../../core/collection.ts'
import type { Executor } from '../../core/db/database.ts'
import { quote } from '../../core/db/statement.ts'
import { columnsOf } from '../../core/records/read.ts'
import { write } from '../../core/records/write.ts'
import { formatTime } from '../../core/time.ts'
import { targetOf } from '../operations/lock.ts'
import type { Container } from '../ownership.ts'
import type { Discovery } from './discovering.ts'

/** What of a container goes with it: all that recurs, and of what was ordered all that nobody has begun. */
const BELONGINGS: Record<string, string> = {
  patch_schedules: '',
  reboot_schedules: '',
  package_exceptions: '',
  patch_operations: `and "status" = 'pending'`,
  reboot_operations: `and "status" in ('pending', 'sent')`,
}

/** A container that runs on another node now is the affair of that node's agent, and is known by its new cluster. */
export async function follow(
  { app, transaction, caller, now }: Discovery,
  container: Container,
  change: Readonly<Record<string, unknown>>,
): Promise<void> {
  const moved: Container = { ...container, ...change }
  const was = targetOf(container, container)
  const is = targetOf(moved, moved)
  if (was !== is) await renameLocks(transaction, was, is)
  if (moved.agent_id === container.agent_id) return
  for (const [name, condition] of Object.entries(BELONGINGS)) {
    const collection = app.registry.need(name)
    for (const { _version, ...before } of await belongings(
      transaction,
      collection,
      container.id,
      condition,
    )) {
      const after = { ...before, agent_id: moved.agent_id, updated: formatTime(now) } as StoredRecord
      await write(transaction, {
        ...{ collection, caller, now, fragments: [], action: 'update' },
        ...{ before: before as StoredRecord, after, version: _version },
      })
    }
  }
  await transaction.run(
    `update "operation_locks" set "agent_id" = $2 where ("target" = $1 or starts_with("target", $1 || '/'))
       and "operation" in (select "id" from "patch_operations" where "agent_id" = $2
         union all select "id" from "reboot_operations" where "agent_id" = $2)`,
    [is, moved.agent_id],
  )
  await transaction.run(
    `update "agent_packages" known set "agent_id" = $2 where "lxc_id" = $1 and "agent_id" <> $2 and not exists (
       select 1 from "agent_packages" there where there."agent_id" = $2 and there."lxc_id" = $1
         and there."name" = known."name" and there."arch" = known."arch")`,
    [container.id, moved.agent_id],
  )
}

/** Dry runs wait at places beside the target. */
const renameLocks = (transaction: Executor, was: string, is: string) =>
  transaction.run(
    `update "operation_locks" held set "target" = $2 || substr("target", length($1) + 1)
     where ("target" = $1 or starts_with("target", $1 || '/')) and not exists (
       select 1 from "operation_locks" other where other."target" = $2 || substr(held."target", length($1) + 1))`,
    [was, is],
  )

const belongings = (transaction: Executor, collection: Collection, container: string, condition: string) =>
  transaction.run<StoredRecord & { _version: string }>(
    `select ${columnsOf(collection)}, xmin::text as "_version" from ${quote(collection.name)}
     where "lxc_id" = $1 ${condition} order by "id" for update`,
    [container],
  )
