import { defineCollection } from '../core/collection.ts'
import { relation, text } from '../core/fields/index.ts'

/**
 * One row per target that has an unfinished mutating operation, written with the operation itself: the unique
 * index is what keeps a second one out, on every way in and from every server.
 */
export const operationLocks = defineCollection({
  name: 'operation_locks',
  fields: {
    target: text({ required: true, max: 100 }),
    operation: text({ required: true }),
    agent_id: relation('agents', { cascade: true }),
  },
  rules: { list: null, view: null, create: null, update: null, delete: null },
  indexes: [{ fields: ['target'], unique: true }, { fields: ['operation'] }, { fields: ['agent_id'] }],
  logged: false,
  audited: false,
})
