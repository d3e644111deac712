import { z } from 'zod'
import { defineCollection, type RecordOf } from '../core/collection.ts'
import { computed, date, json, number, relation, select, text, volatile } from '../core/fields/index.ts'
import { owner, ownerOrAgent, signedIn } from './parts/rules.ts'
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
    /** Why its agent was last told to wait. */
    waiting_for: volatile(computed(text({ max: 1000 }))),
    schedule_id: computed(relation('reboot_schedules', { keep: true })),
    scheduled_for: computed(date()),
    /** The patch operation that it follows. */
    operation_id: computed(relation('patch_operations', { keep: true })),
    /** The end of its window: it is not begun later. Without one, `timeout_seconds` after it was asked for. */
    not_after: computed(date()),
    /** Of a Proxmox node: the guests that ran on it, as `vmid`s. The next node waits until they run again. */
    guests_before: computed(json({ shape: z.array(z.number()) })),
  },
  rules: {
    list: ownerOrAgent,
    view: ownerOrAgent,
    create: signedIn,
    update: ownerOrAgent,
    delete: owner,
  },
  indexes: [
    { fields: ['agent_id', 'status'] },
    { fields: ['user_id', 'created'] },
    { fields: ['status'], where: "status in ('pending', 'sent', 'rebooting')" },
    { fields: ['schedule_id', 'scheduled_for'], unique: true, where: "schedule_id != ''" },
    { fields: ['operation_id'], unique: true, where: "operation_id != ''" },
  ],
})

export type RebootOperation = RecordOf<typeof rebootOperations>
