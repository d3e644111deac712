import type { Agent } from '../../collections/agents.ts'
import { quote } from '../../core/db/statement.ts'
import type { Conflict } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { formatTime } from '../../core/time.ts'
import { crowdedBy } from './bounds.ts'
import { detachContainers } from './detach.ts'
import { differences } from './differences.ts'
import { type Discovery, discovering } from './discovering.ts'
import { refuseForeignNode, storeOwnNode } from './own-node.ts'
import type { FoundNode, Report } from './read.ts'
import { type Node, type Reporter, reporterOf } from './reporter.ts'

/** What a report makes of the nodes: `touched` are as they were. */
type Plan = {
  own?: ReturnType<typeof ownFacts>
  created: FoundNode[]
  changed: { node: Node; change: Record<string, unknown> }[]
  touched: Node[]
  gone: Node[]
}

/**
 * Stores what an agent says of its own node, and of those of its cluster that no agent speaks for. The answer is the id
 * of the first that it spoke of, and how many there were.
 */
export async function storeNodes<R>(
  event: WriteEvent<R>,
  agent: Agent,
  report: Report<FoundNode>,
): Promise<string> {
  const { database, now } = event
  const reporter = await reporterOf(database, agent, report.cluster, now)
  const plan = planOf(reporter, report)
  if (isQuiet(plan)) await touch(event, plan.touched)
  else {
    const crowd = await discovering(event, agent, reporter.cluster?.id ?? '', async (discovery) => {
      const current = await reporterOf(discovery.transaction, agent, report.cluster, now)
      return carryOut(discovery, current, planOf(current, report))
    })
    if (crowd) throw crowd
  }
  const stored = await reporterOf(database, agent, report.cluster, now)
  return stored.nodes.find(({ name }) => name === report.items[0]?.name)?.id ?? stored.own?.id ?? ''
}

function planOf(reporter: Reporter, report: Report<FoundNode>): Plan {
  const { cluster, nodes, own } = reporter
  const inCluster = new Map(
    nodes.filter((node) => node.cluster_id === (cluster?.id ?? '')).map((node) => [node.name, node]),
  )
  const plan: Plan = { created: [], changed: [], touched: [], gone: [] }
  const isAlone = !cluster && report.items.length === 1
  const itself =
    report.items.find(({ local }) => local) ??
    report.items.find(({ name }) => own?.name === name) ??
    (isAlone ? report.items[0] : undefined)
  if (itself) {
    refuseForeignNode(reporter, itself.name)
    const facts = ownFacts(itself, reporter.agent)
    const isSame = own && inCluster.get(own.name)?.id === own.id
    if (isSame && Object.keys(differences(own, facts)).length === 0) plan.touched.push(own)
    else plan.own = facts
  }
  // A node in no cluster knows of itself alone.
  if (!cluster) return plan
  const told = new Map(report.items.map((item) => [item.name, item]))
  for (const [name, item] of told) {
    if (item === itself) continue
    const node = inCluster.get(name)
    if (!node) plan.created.push(item)
    else if (node.id === own?.id || node.spoken) continue
    else {
      const change = differences(node, node.local ? { online: item.online } : factsOf(item))
      if (Object.keys(change).length > 0) plan.changed.push({ node, change })
      else if (!node.local) plan.touched.push(node)
    }
  }
  // A list that leaves out who made it is no list of everything.
  if (report.isComplete && itself)
    plan.gone = [...inCluster.values()].filter(
      ({ id, name, spoken }) => !told.has(name) && !spoken && id !== own?.id,
    )
  return plan
}

const factsOf = ({ name, ip, level, nodeid, px_node_id, online, pveversion, pve_version }: FoundNode) => ({
  name,
  ip,
  level,
  online,
  px_node_id: px_node_id || nodeid,
  pve_version: pve_version || pveversion,
})

/** It is online where it can say so. */
const ownFacts = (item: FoundNode, agent: Agent) => ({
  ...factsOf(item),
  online: true,
  boot_id: item.boot_id || agent.boot_id,
})

const isQuiet = ({ own, created, changed, gone }: Plan): boolean =>
  !own && created.length + changed.length + gone.length === 0

async function touch<R>(
  { database, now }: Pick<WriteEvent<R>, 'database' | 'now'>,
  nodes: Node[],
): Promise<void> {
  if (nodes.length === 0) return
  await database.run(`update ${quote('proxmox_nodes')} set "recorded_at" = $1 where "id" = any($2::text[])`, [
    formatTime(now),
    nodes.map(({ id }) => id),
  ])
}

/** Returns the refusal of new ones, of which none is stored where they are too many. */
async function carryOut(discovery: Discovery, reporter: Reporter, plan: Plan): Promise<Conflict | undefined> {
  const { transaction: database, records, caller, now } = discovery
  const recorded_at = formatTime(now)
  const cluster_id = reporter.cluster?.id ?? ''
  await touch({ database, now }, plan.touched)
  if (plan.own) await storeOwnNode(discovery, reporter, plan.own)
  for (const { node, change } of plan.changed) {
    // When its own agent has last told of it stays to be seen.
    const body = node.local ? change : { ...change, recorded_at }
    await records.update('proxmox_nodes', node.id, { body }, caller)
  }
  for (const node of plan.gone) {
    await detachContainers(discovery, node.id)
    await records.delete('proxmox_nodes', node.id, caller)
  }
  const crowd = await crowdedBy(discovery, 'proxmox_nodes', reporter.agent, plan.created.length)
  if (crowd) return crowd
  for (const item of plan.created) {
    const body = { ...factsOf(item), cluster_id, agent_id: reporter.agent.id, recorded_at }
    await records.create('proxmox_nodes', { body }, caller)
  }
  return undefined
}
