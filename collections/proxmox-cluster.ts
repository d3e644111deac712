import { defineCollection } from '../core/collection.ts'
import { bool, date, number, text, volatile } from '../core/fields/index.ts'
import { found, foundRules } from './parts/found.ts'

/** A Proxmox cluster as its nodes' agents found it. */
export const proxmoxCluster = defineCollection({
  name: 'proxmox_cluster',
  fields: {
    ...found,
    cluster_name: text({ max: 255 }),
    nodes: number(),
    quorate: bool(),
    version: text({ max: 100 }),
    px_cluster_id: text({ max: 255 }),
    recorded_at: volatile(date()),
  },
  rules: foundRules,
  indexes: [{ fields: ['user_id', 'px_cluster_id'], unique: true }],
})
