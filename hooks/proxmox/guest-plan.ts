import type { proxmoxLxc } from '../../collections/proxmox-lxc.ts'
import type { proxmoxQemu } from '../../collections/proxmox-qemu.ts'
import type { RecordOf } from '../../core/collection.ts'
import { differences } from './differences.ts'
import type { Families } from './families.ts'
import type { GuestKind } from './guest-kinds.ts'
import type { FoundLxc, FoundQemu, Report } from './read.ts'
import type { Node, Reporter } from './reporter.ts'
import { uptimeOf } from './uptime.ts'

export type Guest = RecordOf<typeof proxmoxQemu> | RecordOf<typeof proxmoxLxc>
type Facts = Record<string, unknown>

/** What a report makes of the guests: `touched` are as they were, but for how long they have run. */
export type GuestPlan = {
  created: (Facts & { uptime: number })[]
  changed: { guest: Guest; change: Facts; uptime: number }[]
  touched: { guest: Guest; uptime: number }[]
  gone: Guest[]
  /** How many are on nodes that are known, whether this agent has a say there or not. */
  placed: number
}

/**
 * Decides without asking anybody. `part` is what is written now, `all` the whole report, `known` what is stored of the
 * guests that it names, and of the others on its node.
 */
export function planGuests<T extends FoundLxc | FoundQemu>(
  kind: GuestKind<T>,
  reporter: Reporter,
  part: Report<T>,
  all: Report<T>,
  known: readonly Guest[],
  families: Families,
  now: Date,
): GuestPlan {
  const { agent, own } = reporter
  const cluster_id = reporter.cluster?.id ?? ''
  const plan: GuestPlan = { created: [], changed: [], touched: [], gone: [], placed: 0 }
  const nodes = nodesByName(reporter)
  const items = new Map(part.items.map((item) => [item.vmid, item]))
  for (const [vmid, item] of items) {
    const name = item.node || part.node
    const node = name === '' ? own : nodes.get(name)
    if (!node) continue
    plan.placed++
    // Of a node that has an agent only that agent tells.
    if (node.spoken && node.id !== own?.id) continue
    const guest = storedAs(known, vmid, cluster_id)
    const isOwn = node.id === own?.id
    if (guest && !isOwn && isHeld(guest, node, nodes)) continue
    const uptime = uptimeOf(item, guest, now)
    const place = { cluster_id, node_id: node.id, agent_id: isOwn || !guest ? agent.id : guest.agent_id }
    const facts = { ...place, ...kind.facts(item, guest, families) }
    if (!guest) {
      plan.created.push({ ...facts, vmid, uptime })
      continue
    }
    const change = differences(guest, facts)
    if (Object.keys(change).length > 0) plan.changed.push({ guest, change, uptime })
    else plan.touched.push({ guest, uptime })
  }
  if (part.isComplete) plan.gone = goneFrom(all.node === '' ? own : nodes.get(all.node), reporter, all, known)
  return plan
}

function nodesByName({ nodes, own, cluster }: Reporter): Map<string, Node> {
  const inCluster = nodes.filter((node) => cluster && node.cluster_id === cluster.id)
  return new Map([...inCluster, ...(own ? [own] : [])].map((node) => [node.name, node]))
}

/** A number is the same guest wherever in its cluster it runs; else what this very agent has told of before. */
const storedAs = (known: readonly Guest[], vmid: number, cluster: string): Guest | undefined => {
  const namesakes = known.filter((guest) => guest.vmid === vmid)
  return namesakes.find((guest) => guest.cluster_id === cluster) ?? namesakes[0]
}

/** Hearsay takes no guest away from a node whose own agent tells of it. */
const isHeld = (guest: Guest, node: Node, nodes: ReadonlyMap<string, Node>): boolean =>
  guest.status !== 'removed' &&
  [...nodes.values()].some(({ id, spoken }) => spoken && id === guest.node_id && id !== node.id)

/** What a node has no more. A guest that another node has told of meanwhile is there, whatever comes late. */
function goneFrom<T extends FoundLxc | FoundQemu>(
  node: Node | undefined,
  { own }: Reporter,
  { items }: Report<T>,
  known: readonly Guest[],
): Guest[] {
  if (!node || (node.spoken && node.id !== own?.id)) return []
  const told = new Set(items.map(({ vmid }) => vmid))
  return known.filter(
    ({ vmid, node_id, status }) => node_id === node.id && !told.has(vmid) && status !== 'removed',
  )
}
