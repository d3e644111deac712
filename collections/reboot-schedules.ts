import { defineCollection, type RecordOf } from '../core/collection.ts'
import { text } from '../core/fields/index.ts'
import { calendar, calendarState } from './parts/calendar.ts'
import { owner, signedIn } from './parts/rules.ts'
import { container, target } from './parts/targets.ts'

/** When a host or container is restarted by itself: one per target. */
export const rebootSchedules = defineCollection({
  name: 'reboot_schedules',
  fields: { ...target, ...container, ...calendar, reason: text({ max: 2000 }), ...calendarState },
  rules: { list: owner, view: owner, create: signedIn, update: owner, delete: owner },
  indexes: [
    { fields: ['agent_id'], unique: true, where: "lxc_id = ''" },
    { fields: ['lxc_id'], unique: true, where: "lxc_id != ''" },
    { fields: ['agent_id', 'lxc_id'] },
    { fields: ['user_id'] },
    { fields: ['next_run_at'] },
  ],
})

export type RebootSchedule = RecordOf<typeof rebootSchedules>
