import { defineCollection, type RecordOf } from '../core/collection.ts'
import { computed, date, number, relation, select, text } from '../core/fields/index.ts'
import { owner } from './parts/rules.ts'

/** One due time of a fleet schedule: how far its agents have been given their operations. */
export const fleetRuns = defineCollection({
  name: 'fleet_runs',
  fields: {
    user_id: computed(relation('users', { required: true, cascade: true })),
    fleet_schedule_id: relation('fleet_schedules', { required: true, cascade: true }),
    scheduled_for: date(),
    not_after: date(),
    status: select(['expanding', 'done'], { initial: 'expanding' }),
    /** The last agent that was looked at; they are taken in the order of their ids. */
    reached: computed(text()),
    created_operations: number(),
    skipped_agents: number(),
    /** Why the last of them was skipped. */
    last_skip: computed(text({ max: 1000 })),
  },
  rules: { list: owner, view: owner, create: null, update: null, delete: owner },
  indexes: [
    { fields: ['fleet_schedule_id', 'scheduled_for'], unique: true },
    { fields: ['status'], where: "status = 'expanding'" },
    { fields: ['user_id'] },
  ],
})

export type FleetRun = RecordOf<typeof fleetRuns>
