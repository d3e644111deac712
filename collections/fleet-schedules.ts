import { defineCollection, type RecordOf } from '../core/collection.ts'
import { bool, number, relation, select, text } from '../core/fields/index.ts'
import { calendar, calendarState } from './parts/calendar.ts'
import { owner, signedIn } from './parts/rules.ts'

/** When many hosts are patched by themselves: whichever of the owner's agents match at that moment. */
export const fleetSchedules = defineCollection({
  name: 'fleet_schedules',
  fields: {
    user_id: relation('users', { required: true, cascade: true }),
    name: text({ required: true, max: 255 }),
    /** A filter over `agents`, such as `tags ~ "web" && platform_family = "debian"`; empty: all. */
    filter: text({ max: 2000 }),
    ...calendar,
    mode: select(['dry-run', 'apply'], { initial: 'apply' }),
    security_only: bool(),
    after_patch: select(['never', 'if_required', 'always'], { initial: 'never' }),
    /** How many of its operations may run at once; 0: all. */
    max_running: number({ min: 0, max: 100_000, integer: true }),
    ...calendarState,
  },
  rules: { list: owner, view: owner, create: signedIn, update: owner, delete: owner },
  indexes: [{ fields: ['user_id'] }, { fields: ['next_run_at'] }],
})

export type FleetSchedule = RecordOf<typeof fleetSchedules>
