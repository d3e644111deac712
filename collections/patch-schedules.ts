import { defineCollection, type RecordOf } from '../core/collection.ts'
import { bool, select } from '../core/fields/index.ts'
import { calendar, calendarState } from './parts/calendar.ts'
import { owner, signedIn } from './parts/rules.ts'
import { container, target } from './parts/targets.ts'

/** When a host or container is patched by itself: one per target. */
export const patchSchedules = defineCollection({
  name: 'patch_schedules',
  fields: {
    ...target,
    ...container,
    ...calendar,
    mode: select(['dry-run', 'apply'], { initial: 'apply' }),
    security_only: bool(),
    after_patch: select(['never', 'if_required', 'always'], { initial: 'never' }),
    /** For containers: before each apply, where the storage can. */
    snapshot: bool({ initial: true }),
    ...calendarState,
  },
  rules: { list: owner, view: owner, create: signedIn, update: owner, delete: owner },
  indexes: [
    { fields: ['agent_id'], unique: true, where: "lxc_id = ''" },
    { fields: ['lxc_id'], unique: true, where: "lxc_id != ''" },
    { fields: ['agent_id', 'lxc_id'] },
    { fields: ['user_id'] },
    { fields: ['next_run_at'] },
  ],
})

export type PatchSchedule = RecordOf<typeof patchSchedules>
