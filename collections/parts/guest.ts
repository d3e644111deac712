import { number, relation, select, text } from '../../core/fields/index.ts'
import { found } from './found.ts'

/** What containers and virtual machines have in common. */
export const guest = {
  ...found,
  cluster_id: relation('proxmox_cluster', { cascade: true }),
  node_id: relation('proxmox_nodes', { cascade: true }),
  name: text({ max: 255 }),
  status: select(['running', 'stopped', 'paused', 'suspended', 'unknown', 'removed']),
  ostype: text({ max: 100 }),
  uptime: number(),
  vmid: number({ integer: true }),
}
