import { Conflict } from '../../core/errors.ts'
import { formatTime } from '../../core/time.ts'
import { differences } from './differences.ts'
import type { Discovery } from './discovering.ts'
import type { Node, Reporter } from './reporter.ts'

export type OwnNode = { name: string } & Record<string, unknown>

/** Throws Conflict for a name under which another agent reports: two of them cannot be the same node. */
export function refuseForeignNode({ agent, cluster, nodes }: Reporter, name: string): Node | undefined {
  const namesake = nodes.find((node) => node.name === name && node.cluster_id === (cluster?.id ?? ''))
  if (namesake?.spoken && namesake.agent_id !== agent.id)
    throw new Conflict(
      `Agent ${namesake.agent_id} reports as node ${name} already; revoke or delete it if this host has taken its place.`,
    )
  return namesake
}

/**
 * The node that the reporting agent runs on is the agent's own, whoever has told of it before, and stays the same
 * record under another name and in another cluster.
 */
export async function storeOwnNode(discovery: Discovery, reporter: Reporter, facts: OwnNode): Promise<void> {
  const { transaction, records, caller, now } = discovery
  const { agent, cluster, own } = reporter
  const namesake = refuseForeignNode(reporter, facts.name)
  const wanted = { ...facts, cluster_id: cluster?.id ?? '', agent_id: agent.id, local: true }
  const recorded_at = formatTime(now)
  if (own && namesake && own.id !== namesake.id) {
    // Before it goes, and its guests with it.
    for (const guests of ['proxmox_lxc', 'proxmox_qemu'] as const) {
      const moved = await transaction.run<{ id: string }>(
        `select "id" from "${guests}" where "node_id" = $1 order by "id"`,
        [own.id],
      )
      for (const { id } of moved) await records.update(guests, id, { body: { node_id: namesake.id } }, caller)
    }
    await records.delete('proxmox_nodes', own.id, caller)
  }
  const row = namesake ?? own
  if (!row) await records.create('proxmox_nodes', { body: { ...wanted, recorded_at } }, caller)
  else {
    const body = { ...differences(row, wanted), recorded_at }
    await records.update('proxmox_nodes', row.id, { body }, caller)
  }
}
