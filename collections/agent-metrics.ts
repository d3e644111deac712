import { defineCollection } from '../core/collection.ts'
import { computed, date, json, number, relation } from '../core/fields/index.ts'
import { ownerOrAgent } from './parts/rules.ts'

/** What an agent last measured of its host; one record per agent. */
export const agentMetrics = defineCollection({
  name: 'agent_metrics',
  fields: {
    agent_id: relation('agents', { required: true, cascade: true }),
    user_id: computed(relation('users', { required: true, cascade: true })),
    cpu_percent: number(),
    cpu_cores: number(),
    memory_used_gb: number(),
    memory_total_gb: number(),
    memory_percent: number(),
    disk_used_gb: number(),
    disk_total_gb: number(),
    disk_usage_percent: number(),
    network_in_gb: number(),
    network_out_gb: number(),
    load_avg_1min: number(),
    load_avg_5min: number(),
    load_avg_15min: number(),
    filesystems: json(),
    recorded_at: date(),
  },
  rules: { list: ownerOrAgent, view: ownerOrAgent, create: null, update: null, delete: null },
  indexes: [{ fields: ['agent_id'], unique: true }, { fields: ['user_id'] }],
  logged: false,
  audited: false,
})
