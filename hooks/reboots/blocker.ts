import { patchOperations } from '../../collections/patch-operations.ts'
import { type RebootOperation, rebootOperations } from '../../collections/reboot-operations.ts'
import type { Executor } from '../../core/db/database.ts'
import { findOne } from '../../core/records/read.ts'
import { busyPatching, busyRebooting, type TargetBusy } from '../operations/busy.ts'
import { OPEN } from './states.ts'

type Target = Pick<RebootOperation, 'agent_id' | 'lxc_id'> & { id: string }
/** As conditions with the very words of the indexes of what is unfinished. */
type States = { operations: string; reboots: string }

const UNFINISHED: States = { operations: `"status" in ('pending', 'running')`, reboots: OPEN }
const BEGUN: States = {
  operations: `${UNFINISHED.operations} and "status" = 'running'`,
  reboots: `${OPEN} and "status" = 'rebooting'`,
}

/**
 * What is unfinished where something is to be restarted, as the error that names it. Of a host that is everything on it
 * and in its containers; of a container its own, and the restart of its host.
 */
export const unfinishedOn = (database: Executor, target: Target): Promise<TargetBusy | undefined> =>
  firstOf(database, target, UNFINISHED)

/**
 * What a restart would interrupt now. What only waits goes after it: were each to wait for the other, neither would
 * ever begin.
 */
export async function begunOn(
  database: Executor,
  target: Target,
  retry: { retry_after_ms: number },
): Promise<TargetBusy | undefined> {
  const first = await firstOf(database, target, BEGUN, retry)
  if (first || target.lxc_id === '') return first
  // The host's own update may concern what its containers need.
  const hosts = await findOne(
    database,
    patchOperations,
    `"agent_id" = $1 and "status" = 'running' and "lxc_id" = '' and "mode" = 'apply'`,
    [target.agent_id],
  )
  return hosts && busyPatching(hosts, 'on its host', retry)
}

async function firstOf(
  database: Executor,
  { id, agent_id, lxc_id }: Target,
  { operations, reboots }: States,
  extra?: { retry_after_ms: number },
): Promise<TargetBusy | undefined> {
  const isHost = lxc_id === ''
  const operation = await findOne(
    database,
    patchOperations,
    `${isHost ? onHost(operations) : `"lxc_id" = $1 and ${operations}`} order by "created", "id"`,
    [isHost ? agent_id : lxc_id],
  )
  if (operation) return busyPatching(operation, placeOf(operation, isHost), extra)
  const where = isHost ? '"agent_id" = $2' : `("lxc_id" = $3 or "lxc_id" = '' and "agent_id" = $2)`
  const reboot = await findOne(
    database,
    rebootOperations,
    `${reboots} and "id" <> $1 and ${where}`,
    isHost ? [id, agent_id] : [id, agent_id, lxc_id],
  )
  return reboot && busyRebooting(reboot, placeOf(reboot, isHost), extra)
}

// What has failed and still has a lock was lost track of, and may be running. A container's own lock keeps others out.
const onHost = (operations: string) => `"id" in (
  select "id" from "patch_operations" where "agent_id" = $1 and ${operations}
  union all
  select lost."id" from "operation_locks" held join "patch_operations" lost on lost."id" = held."operation"
    where held."agent_id" = $1 and lost."status" = 'failed')`

const placeOf = ({ lxc_id }: { lxc_id: string }, isHost: boolean): string => {
  if (isHost) return lxc_id === '' ? 'on this target' : 'in a container of this host'
  return lxc_id === '' ? 'of its host' : 'on this target'
}
