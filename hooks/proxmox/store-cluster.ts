import type { Agent } from '../../collections/agents.ts'
import { proxmoxCluster } from '../../collections/proxmox-cluster.ts'
import type { Executor } from '../../core/db/database.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { findOne } from '../../core/records/read.ts'
import { formatTime } from '../../core/time.ts'
import { crowdedBy } from './bounds.ts'
import { differences } from './differences.ts'
import { type Discovery, discovering } from './discovering.ts'
import { storeOwnNode } from './own-node.ts'
import type { FoundCluster } from './read.ts'
import { type Cluster, knownSince, reporterOf } from './reporter.ts'

/** Stores what a node says of its cluster, which others of its nodes may have told of already. */
export async function storeCluster<R>(
  event: WriteEvent<R>,
  agent: Agent,
  found: FoundCluster,
): Promise<string> {
  const { database, now } = event
  const known = await clusterOf(database, agent, found)
  const { own } = await reporterOf(database, agent, undefined, now)
  if (known && own?.cluster_id === known.id) {
    const change = changeOf(known, agent, found, now)
    if (change && Object.keys(change).length === 0)
      await database.run('update "proxmox_cluster" set "recorded_at" = $2 where "id" = $1', [
        known.id,
        formatTime(now),
      ])
    if (!change || Object.keys(change).length === 0) return known.id
  }
  return discovering(event, agent, known?.id ?? '', async (discovery) => {
    const id = await write(discovery, agent, found)
    await joinCluster(discovery, agent, found)
    return id
  })
}

const clusterOf = (database: Executor, agent: Agent, { px_cluster_id }: FoundCluster) =>
  findOne(database, proxmoxCluster, '"user_id" = $1 and "px_cluster_id" = $2', [agent.user_id, px_cluster_id])

async function write(discovery: Discovery, agent: Agent, found: FoundCluster): Promise<string> {
  const { transaction, records, caller, now } = discovery
  const recorded_at = formatTime(now)
  const known = await clusterOf(transaction, agent, found)
  if (!known) {
    const crowd = await crowdedBy(discovery, 'proxmox_cluster', agent, 1)
    if (crowd) throw crowd
    const body = { ...factsOf(found), px_cluster_id: found.px_cluster_id, agent_id: agent.id, recorded_at }
    return (await records.create('proxmox_cluster', { body }, caller)).id
  }
  const change = changeOf(known, agent, found, now)
  if (change) await records.update('proxmox_cluster', known.id, { body: { ...change, recorded_at } }, caller)
  return known.id
}

const factsOf = ({ cluster_name, nodes, quorate, version }: FoundCluster) => ({
  cluster_name,
  nodes,
  quorate,
  version,
})

/**
 * What is to be written; undefined where the report does not count. In a cluster that has fallen apart the larger part
 * is quorate: the node that says it is not is believed until it says otherwise or has not been heard of for long.
 */
function changeOf(known: Cluster, agent: Agent, found: FoundCluster, now: Date) {
  const isDoubted = !known.quorate && known.agent_id !== agent.id && known.recorded_at >= knownSince(now)
  if (isDoubted && found.quorate) return undefined
  const changes = differences(known, factsOf(found))
  // Whoever has said last whether it is quorate is the one who may take it back.
  return 'quorate' in changes ? { ...changes, agent_id: agent.id } : changes
}

/** Whoever tells of a cluster is one of its nodes, by the name of its host until it says more. */
async function joinCluster(discovery: Discovery, agent: Agent, found: FoundCluster): Promise<void> {
  const reporter = await reporterOf(discovery.transaction, agent, found.px_cluster_id, discovery.now)
  const { own, cluster, nodes } = reporter
  if (own && own.cluster_id === cluster?.id) return
  const name = own?.name || String(agent.hostname.split('.')[0])
  const namesake = nodes.find((node) => node.cluster_id === cluster?.id && node.name === name)
  if (!namesake?.spoken) await storeOwnNode(discovery, reporter, { name, online: true })
}
