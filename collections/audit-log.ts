import { defineCollection } from '../core/collection.ts'
import { date, json, text } from '../core/fields/index.ts'
import { owner } from './parts/rules.ts'

/**
 * Who changed what, from where. The engine writes it in the statement of the change itself; nobody, superusers
 * included, writes, changes or deletes a row through the API (`hooks/audit-log.ts`). `user_id` and `record` are
 * plain text: the log outlives what it speaks of.
 */
export const auditLog = defineCollection({
  name: 'audit_log',
  fields: {
    user_id: text(),
    who: text(),
    who_collection: text(),
    collection: text(),
    record: text(),
    action: text(),
    origin: text(),
    changes: json(),
    at: date(),
  },
  rules: { list: owner, view: owner, create: null, update: null, delete: null },
  indexes: [{ fields: ['user_id'] }, { fields: ['record'] }, { fields: ['at'] }],
  logged: false,
  audited: false,
})
