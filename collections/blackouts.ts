import { defineCollection, type RecordOf } from '../core/collection.ts'
import { computed, date, relation, text } from '../core/fields/index.ts'
import { owner, signedIn } from './parts/rules.ts'

/** Days on which nothing of an owner's starts by itself: neither a schedule nor what one has made. */
export const blackouts = defineCollection({
  name: 'blackouts',
  fields: {
    user_id: relation('users', { required: true, cascade: true }),
    name: text({ required: true, max: 255 }),
    /** Local times, `2026-12-20` or `2026-12-20 18:00`. A day alone begins at its start, and ends at its end. */
    from: text({ required: true, max: 16 }),
    to: text({ required: true, max: 16 }),
    timezone: text({ max: 100 }),
    starts_at: computed(date()),
    ends_at: computed(date()),
  },
  rules: { list: owner, view: owner, create: signedIn, update: owner, delete: owner },
  indexes: [{ fields: ['user_id', 'ends_at'] }],
})

export type Blackout = RecordOf<typeof blackouts>
