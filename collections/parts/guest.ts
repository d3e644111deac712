import type { Index } from '../../core/collection.ts'
import { number, relation, select, text, volatile } from '../../core/fields/index.ts'
import { found } from './found.ts'

/** What containers and virtual machines have in common. */
export const guest = {
  ...found,
  cluster_id: relation('proxmox_cluster', { cascade: true }),
  node_id: relation('proxmox_nodes', { cascade: true }),
  name: text({ max: 255 }),
  status: select(['running', 'stopped', 'paused', 'suspended', 'unknown', 'removed']),
  ostype: text({ max: 100 }),
  /** Seconds. */
  uptime: volatile(number()),
  vmid: number({ integer: true }),
}

/** A guest keeps its number when it moves to another node of its cluster: it is the same one there. */
export const guestIndexes: Index[] = [
  { fields: ['user_id', 'cluster_id', 'vmid'], unique: true, where: "cluster_id != ''" },
  { fields: ['agent_id', 'vmid'], unique: true, where: "cluster_id = ''" },
  { fields: ['node_id', 'vmid'] },
  { fields: ['agent_id'] },
]
