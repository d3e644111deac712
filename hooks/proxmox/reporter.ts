import type { Agent } from '../../collections/agents.ts'
import { proxmoxCluster } from '../../collections/proxmox-cluster.ts'
import { proxmoxNodes } from '../../collections/proxmox-nodes.ts'
import type { RecordOf } from '../../core/collection.ts'
import type { Executor } from '../../core/db/database.ts'
import { BadRequest } from '../../core/errors.ts'
import { columnsOf, findOne } from '../../core/records/read.ts'
import { addSeconds, formatTime } from '../../core/time.ts'

export type Cluster = RecordOf<typeof proxmoxCluster>
/** `spoken`: its own agent has told of it lately, and has the only word about it. */
export type Node = RecordOf<typeof proxmoxNodes> & { spoken: boolean }

/** Discovery comes every five minutes. What is older than three of them is not known any more. */
export const KNOWN_SECONDS = 15 * 60

export const knownSince = (now: Date): string => formatTime(addSeconds(now, -KNOWN_SECONDS))

/** Where a report comes from, as far as earlier ones have told. */
export type Reporter = {
  agent: Agent
  cluster: Cluster | undefined
  /** Of the cluster, or the one node that is in none. */
  nodes: Node[]
  /** The reporting agent's own. */
  own: Node | undefined
}

/**
 * Everything is looked up by the agent's owner: who names somebody else's cluster gets one of his own. Throws
 * BadRequest for a cluster that was not reported yet.
 */
export async function reporterOf(
  database: Executor,
  agent: Agent,
  named: string | undefined,
  now: Date,
): Promise<Reporter> {
  const cluster = await clusterOf(database, agent, named)
  const nodes = await database.run<Node>(
    `select ${columnsOf(proxmoxNodes)},
       "proxmox_nodes"."local" and speaker."status" = 'active' and "proxmox_nodes"."recorded_at" >= $4 as "spoken"
     from "proxmox_nodes" join "agents" speaker on speaker."id" = "proxmox_nodes"."agent_id"
     where "proxmox_nodes"."user_id" = $1
       and ("proxmox_nodes"."agent_id" = $2 and "proxmox_nodes"."local"
         or $3 <> '' and "proxmox_nodes"."cluster_id" = $3)`,
    [agent.user_id, agent.id, cluster?.id ?? '', knownSince(now)],
  )
  const own = nodes.find((node) => node.local && node.agent_id === agent.id)
  return { agent, cluster, nodes, own }
}

async function clusterOf(
  database: Executor,
  agent: Agent,
  named: string | undefined,
): Promise<Cluster | undefined> {
  if (named === '') return undefined
  if (named === undefined)
    return findOne(
      database,
      proxmoxCluster,
      `"user_id" = $1 and "id" in (select "cluster_id" from "proxmox_nodes" where "agent_id" = $2 and "local")`,
      [agent.user_id, agent.id],
    )
  const cluster = await findOne(database, proxmoxCluster, '"user_id" = $1 and "px_cluster_id" = $2', [
    agent.user_id,
    named,
  ])
  if (cluster) return cluster
  throw new BadRequest('The cluster is not known; report it to /api/proxmox/cluster first.', {
    px_cluster_id: { code: 'validation_invalid_value', message: 'Names no cluster of this owner.' },
  })
}
