import { defineCollection } from '../core/collection.ts'
import { bool, computed, date, json, relation, text } from '../core/fields/index.ts'
import { owner } from './parts/rules.ts'
import { container } from './parts/targets.ts'

/** Packages installed on a host or in a container, and what is offered for them. */
export const agentPackages = defineCollection({
  name: 'agent_packages',
  fields: {
    agent_id: relation('agents', { required: true, cascade: true }),
    user_id: computed(relation('users', { required: true, cascade: true })),
    ...container,
    name: text({ required: true, max: 255 }),
    arch: text({ max: 50 }),
    current_version: text({ max: 255 }),
    available_version: text({ max: 255 }),
    repository: text({ max: 255 }),
    security: json(),
    held: bool(),
    excluded: bool(),
    seen_at: date(),
  },
  rules: { list: owner, view: owner, create: null, update: null, delete: null },
  indexes: [{ fields: ['agent_id', 'lxc_id', 'name', 'arch'], unique: true }, { fields: ['user_id'] }],
  logged: false,
  audited: false,
})
