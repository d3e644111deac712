import { defineCollection } from '../core/collection.ts'
import { number, relation, select, text } from '../core/fields/index.ts'

/** A piece of a running operation's output, in base64, at its place in the stream. */
export const logChunks = defineCollection({
  name: 'log_chunks',
  fields: {
    operation_id: relation('patch_operations', { required: true, cascade: true }),
    stream: select(['stdout', 'stderr'], { required: true }),
    offset: number({ min: 0, integer: true }),
    size: number({ min: 0, integer: true }),
    data: text({ max: 100_000 }),
  },
  rules: { list: null, view: null, create: null, update: null, delete: null },
  indexes: [{ fields: ['operation_id', 'stream', 'offset'], unique: true }],
  logged: false,
  audited: false,
})
