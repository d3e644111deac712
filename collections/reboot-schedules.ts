import { defineCollection } from '../core/collection.ts'
import { text } from '../core/fields/index.ts'
import { calendar, calendarState } from './parts/calendar.ts'
import { owner } from './parts/rules.ts'
import { container, target } from './parts/targets.ts'

/** When a host or container is restarted by itself: one per target. */
export const rebootSchedules = defineCollection({
  name: 'reboot_schedules',
  fields: { ...target, ...container, ...calendar, reason: text({ max: 2000 }), ...calendarState },
  rules: { list: owner, view: owner, create: null, update: null, delete: null },
  indexes: [
    { fields: ['agent_id', 'lxc_id'], unique: true },
    { fields: ['user_id'] },
    { fields: ['next_run_at'] },
  ],
})
