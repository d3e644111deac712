import type { PatchOperation } from '../../collections/patch-operations.ts'
import { proxmoxCluster } from '../../collections/proxmox-cluster.ts'
import { proxmoxLxc } from '../../collections/proxmox-lxc.ts'
import { Conflict } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { readById } from '../../core/records/read.ts'
import { type Cluster, KNOWN_SECONDS, knownSince } from './reporter.ts'

/** When to ask again for what waits for a cluster. */
export const RETRY_MS = 60_000

/** Throws Conflict unless the nodes of the cluster can agree on changes, as one of them has said lately. */
export function refuseWithoutQuorum({ cluster_name, quorate, recorded_at }: Cluster, now: Date): void {
  if (recorded_at < knownSince(now))
    throw new Conflict(
      `Nobody has said for ${KNOWN_SECONDS / 60} minutes whether the cluster ${cluster_name} is quorate; it waits for a report of its nodes.`,
      { retry_after_ms: RETRY_MS },
    )
  if (!quorate)
    throw new Conflict(`The cluster ${cluster_name} is not quorate; bring its nodes together again first.`, {
      retry_after_ms: RETRY_MS,
    })
}

/** Nothing can be begun in a container whose cluster is not quorate: its configuration cannot be written. */
export async function refuseInContainer({
  database,
  before,
  now,
}: WriteEvent<Pick<PatchOperation, 'lxc_id'>>): Promise<void> {
  const container = await readById(database, proxmoxLxc, before.lxc_id)
  const cluster = container && (await readById(database, proxmoxCluster, container.cluster_id))
  if (cluster) refuseWithoutQuorum(cluster, now)
}
