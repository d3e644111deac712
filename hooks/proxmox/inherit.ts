import { agents } from '../../collections/agents.ts'
import type { Collection, StoredRecord } from '../../core/collection.ts'
import { quote } from '../../core/db/statement.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { columnsOf } from '../../core/records/read.ts'
import { write } from '../../core/records/write.ts'
import { formatTime } from '../../core/time.ts'

/** Of these, what is not on the agent's own node. */
const HEARSAY = ['proxmox_nodes', 'proxmox_lxc', 'proxmox_qemu'] as const

/**
 * Before an agent is deleted: its cluster, and what it has told of nodes that have no agent, goes to the agent of
 * another node of that cluster. What is on its own node goes with it.
 */
export async function bequeath({
  app,
  database,
  before,
  caller,
  now,
}: WriteEvent<{ id: string }>): Promise<void> {
  const give = async (collection: Collection, condition: string, cluster: string, heir: string) => {
    const rows = await database.run<StoredRecord & { _version: string }>(
      `select ${columnsOf(collection)}, xmin::text as "_version" from ${quote(collection.name)}
       where "agent_id" = $1 and ${condition} order by "id" for update`,
      [before.id, cluster],
    )
    for (const { _version: version, ...row } of rows) {
      const stored = row as StoredRecord
      const after = { ...stored, agent_id: heir, updated: formatTime(now) }
      const change = { collection, caller, now, fragments: [], action: 'update' as const }
      await write(database, { ...change, before: stored, after, version })
    }
  }
  const heirs = await database.run<{ cluster: string; heir: string }>(
    `select distinct on (mine."cluster_id") mine."cluster_id" as "cluster", node."agent_id" as "heir"
     from (select "id" as "cluster_id" from "proxmox_cluster" where "agent_id" = $1
       union select "cluster_id" from "proxmox_nodes" where "agent_id" = $1) mine
     join "proxmox_nodes" node on node."cluster_id" = mine."cluster_id" and node."local" and node."agent_id" <> $1
     join ${quote(agents.name)} other on other."id" = node."agent_id" and other."status" <> 'revoked'
     order by mine."cluster_id", node."recorded_at" desc`,
    [before.id],
  )
  for (const { cluster, heir } of heirs) {
    await give(app.registry.need('proxmox_cluster'), '"id" = $2', cluster, heir)
    const own = `not exists (select 1 from "proxmox_nodes" own where own."agent_id" = $1 and own."local"
      and own."id" = `
    for (const name of HEARSAY) {
      const node = name === 'proxmox_nodes' ? '"proxmox_nodes"."id"' : `${quote(name)}."node_id"`
      await give(app.registry.need(name), `"cluster_id" = $2 and ${own}${node})`, cluster, heir)
    }
  }
}
