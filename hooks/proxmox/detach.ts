import type { Discovery } from './discovering.ts'

/** What is gone from discovery, and yet kept for all that its owner has said about it. */
export const REMOVED = { status: 'removed', uptime: 0 }

/** Containers outlive the record of a node: they are removed, and may be found again elsewhere. */
export async function detachContainers(
  { transaction, records, caller }: Discovery,
  node: string,
): Promise<void> {
  const containers = await transaction.run<{ id: string }>(
    `select "id" from "proxmox_lxc" where "node_id" = $1 order by "id"`,
    [node],
  )
  for (const { id } of containers)
    await records.update('proxmox_lxc', id, { body: { ...REMOVED, node_id: '' } }, caller)
}
