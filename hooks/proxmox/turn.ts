import type { PatchOperation } from '../../collections/patch-operations.ts'
import { proxmoxCluster } from '../../collections/proxmox-cluster.ts'
import { proxmoxNodes } from '../../collections/proxmox-nodes.ts'
import type { RecordOf } from '../../core/collection.ts'
import type { Executor } from '../../core/db/database.ts'
import { Conflict } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { alsoUpdate } from '../../core/records/also-update.ts'
import { findOne, readVersion } from '../../core/records/read.ts'
import { busyWith } from '../operations/busy.ts'
import { takeLock } from '../operations/lock.ts'
import { refuseAbsent } from './absent.ts'
import { RETRY_MS, refuseInContainer, refuseWithoutQuorum } from './quorum.ts'
import type { Cluster } from './reporter.ts'

type Node = RecordOf<typeof proxmoxNodes>
type Operation = { id: string; agent_id: string }

/** Of a patch operation that is claimed: throws Conflict while its node may not be changed. Dry runs of hosts are free. */
export async function beginAt(event: WriteEvent<PatchOperation>): Promise<void> {
  const { lxc_id, mode, agent_id } = event.before
  if (lxc_id) await refuseInContainer(event)
  else if (mode === 'apply') await takeTurn(event, { id: agent_id })
}

const turnOf = (cluster: string): string => `cluster:${cluster}`

/**
 * Nodes of one cluster are changed one after the other. In the statement of `event`, which begins something on a host,
 * that host's node takes the turn; it goes with the operation's other locks. Throws Conflict with `retry_after_ms` while
 * another node has it or is not back with its guests, and while the cluster is not quorate. A host that is no node of a
 * cluster needs no turn.
 */
export async function takeTurn<R extends Operation>(
  event: WriteEvent<R>,
  agent: { id: string },
): Promise<void> {
  const { database, now } = event
  const node = await findOne(database, proxmoxNodes, `"agent_id" = $1 and "local" and "cluster_id" <> ''`, [
    agent.id,
  ])
  const found = node && (await readVersion(database, proxmoxCluster, node.cluster_id))
  if (!node || !found) return
  const cluster = found.record as unknown as Cluster
  refuseWithoutQuorum(cluster, now)
  await refuseTaken(database, node, cluster)
  await refuseAbsent(database, node, cluster, now)
  // Whoever judges the same cluster at this moment starts again when this is written, and finds the turn taken.
  alsoUpdate(event, proxmoxCluster, found, {})
  takeLock(event as unknown as Parameters<typeof takeLock>[0], turnOf(cluster.id))
}

async function refuseTaken(
  database: Executor,
  node: Node,
  { id: cluster, cluster_name }: Cluster,
): Promise<void> {
  const [holder] = await database.run<{ operation: string; node: string | null }>(
    `select held."operation", other."name" as "node" from "operation_locks" held
     left join "proxmox_nodes" other on other."agent_id" = held."agent_id" and other."local" and other."cluster_id" = $2
     where held."target" = $1`,
    [turnOf(cluster), cluster],
  )
  if (!holder) return
  const where = holder.node && holder.node !== node.name ? `on node ${holder.node}` : 'on this node'
  const busy = await busyWith(database, holder.operation, where, { retry_after_ms: RETRY_MS })
  throw new Conflict(`The nodes of the cluster ${cluster_name} take turns: ${busy.message}`, busy.extra)
}
