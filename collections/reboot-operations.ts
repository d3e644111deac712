import { defineCollection } from '../core/collection.ts'
import { computed, date, number, select, text } from '../core/fields/index.ts'
import { ownerOrAgent } from './parts/rules.ts'
import { container, target } from './parts/targets.ts'

/** One restart of a host or container, from the wish to the proof. */
export const rebootOperations = defineCollection({
  name: 'reboot_operations',
  fields: {
    ...target,
    ...container,
    vmid: computed(number()),
    status: select(['pending', 'sent', 'rebooting', 'completed', 'failed', 'timeout'], {
      initial: 'pending',
    }),
    reason: text({ max: 2000 }),
    requested_at: computed(date()),
    acknowledged_at: computed(date()),
    completed_at: computed(date()),
    error_message: computed(text()),
    timeout_seconds: number({ required: true, min: 30, max: 86_400, integer: true, initial: 300 }),
    boot_id_before: computed(text({ max: 100 })),
  },
  rules: {
    list: ownerOrAgent,
    view: ownerOrAgent,
    create: null,
    update: null,
    delete: null,
  },
  indexes: [{ fields: ['agent_id', 'status'] }, { fields: ['user_id'] }],
})
