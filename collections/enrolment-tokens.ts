import { z } from 'zod'
import { defineCollection } from '../core/collection.ts'
import { computed, date, hidden, json, number, relation, text } from '../core/fields/index.ts'
import { owner, signedIn } from './parts/rules.ts'

/** Tokens that enrol hosts without a person looking on. The token itself is shown once and kept as a hash. */
export const enrolmentTokens = defineCollection({
  name: 'enrolment_tokens',
  fields: {
    user_id: computed(relation('users', { required: true, cascade: true })),
    name: text({ max: 255 }),
    token: hidden(computed(text())),
    max_uses: number({ min: 0, integer: true, initial: 1 }),
    uses: computed(number()),
    expires_at: date(),
    tags: json({ shape: z.array(z.string().max(255)).max(100) }),
  },
  rules: { list: owner, view: owner, create: signedIn, update: owner, delete: owner },
  indexes: [{ fields: ['token'], unique: true }, { fields: ['user_id'] }],
})
