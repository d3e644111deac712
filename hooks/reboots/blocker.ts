import { patchOperations } from '../../collections/patch-operations.ts'
import { type RebootOperation, rebootOperations } from '../../collections/reboot-operations.ts'
import type { Executor } from '../../core/db/database.ts'
import { findOne } from '../../core/records/read.ts'
import { busyPatching, busyRebooting, type TargetBusy } from '../operations/busy.ts'
import { OPEN } from './states.ts'

type Target = Pick<RebootOperation, 'agent_id' | 'lxc_id'> & { id: string }

/**
 * What a restart would interrupt, as the error that names it. Of a host that is everything unfinished on it and in its
 * containers, and what was lost track of there; of a container its own, and the restart of its host.
 */
export async function blockerOf(
  database: Executor,
  target: Target,
  extra?: { retry_after_ms: number },
): Promise<TargetBusy | undefined> {
  const { id, agent_id, lxc_id } = target
  const isHost = lxc_id === ''
  const operation = isHost
    ? await findOne(database, patchOperations, `${UNFINISHED_ON_HOST} order by "created", "id"`, [agent_id])
    : await findOne(database, patchOperations, UNFINISHED_IN_CONTAINER, [lxc_id])
  if (operation) return busyPatching(operation, placeOf(operation, isHost), extra)
  const reboot = isHost
    ? await findOne(database, rebootOperations, `${OPEN} and "id" <> $1 and "agent_id" = $2`, [id, agent_id])
    : await findOne(
        database,
        rebootOperations,
        `${OPEN} and "id" <> $1 and ("lxc_id" = $2 or "lxc_id" = '' and "agent_id" = $3)`,
        [id, lxc_id, agent_id],
      )
  return reboot && busyRebooting(reboot, placeOf(reboot, isHost), extra)
}

/** An update of the host that is running: a container is not restarted in the middle of it. */
export async function runningOnHost(
  database: Executor,
  { agent_id }: Target,
  extra: { retry_after_ms: number },
): Promise<TargetBusy | undefined> {
  const running = await findOne(
    database,
    patchOperations,
    `"agent_id" = $1 and "status" = 'running' and "lxc_id" = '' and "mode" = 'apply'`,
    [agent_id],
  )
  return running && busyPatching(running, 'on its host', extra)
}

// What has ended and still has its lock was lost track of. A cluster's lock says nothing about its node.
const UNFINISHED_ON_HOST = `"id" in (
  select "id" from "patch_operations" where "agent_id" = $1 and "status" in ('pending', 'running')
  union all
  select "operation" from "operation_locks" where "agent_id" = $1 and "target" not like 'cluster:%')`
const UNFINISHED_IN_CONTAINER = `"lxc_id" = $1 and "status" in ('pending', 'running') order by "created", "id"`

const placeOf = ({ lxc_id }: { lxc_id: string }, isHost: boolean): string => {
  if (isHost) return lxc_id === '' ? 'on this target' : 'in a container of this host'
  return lxc_id === '' ? 'of its host' : 'on this target'
}
