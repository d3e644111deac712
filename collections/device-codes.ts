import { defineCollection } from '../core/collection.ts'
import { computed, date, hidden, relation, select, text } from '../core/fields/index.ts'

/** Enrolments that wait for a person's yes. The device code is kept as a hash; the user code is for typing. */
export const deviceCodes = defineCollection({
  name: 'device_codes',
  fields: {
    device_code: hidden(computed(text())),
    user_code: text({ max: 8 }),
    hostname: text({ max: 255 }),
    address: text({ max: 64 }),
    status: select(['pending', 'authorized', 'used'], { initial: 'pending' }),
    user_id: relation('users', { cascade: true }),
    agent_id: relation('agents', { cascade: true }),
    expires_at: computed(date({ required: true })),
  },
  rules: { list: null, view: null, create: null, update: null, delete: null },
  indexes: [
    { fields: ['device_code'], unique: true },
    { fields: ['user_code'], unique: true },
  ],
  logged: false,
  // Anybody may ask for one, twice a second: the agent that comes of it is audited.
  audited: false,
})
