import { defineCollection } from '../core/collection.ts'
import { bool, date, relation, text, volatile } from '../core/fields/index.ts'
import { found, foundRules } from './parts/found.ts'

/** A node of a Proxmox cluster. */
export const proxmoxNodes = defineCollection({
  name: 'proxmox_nodes',
  fields: {
    ...found,
    cluster_id: relation('proxmox_cluster', { cascade: true }),
    ip: text({ max: 45 }),
    level: text({ max: 50 }),
    local: bool(),
    name: text({ max: 255 }),
    pve_version: text({ max: 100 }),
    px_node_id: text({ max: 255 }),
    online: bool(),
    /** As its own agent last reported it. */
    boot_id: text({ max: 100 }),
    recorded_at: volatile(date()),
  },
  rules: foundRules,
  indexes: [
    { fields: ['user_id', 'cluster_id', 'name'], unique: true, where: "cluster_id != ''" },
    { fields: ['agent_id', 'name'], unique: true, where: "cluster_id = ''" },
    { fields: ['agent_id'] },
  ],
})
