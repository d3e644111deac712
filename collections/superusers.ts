import { defineCollection } from '../core/collection.ts'

/** Those who may do everything. `hooks/superusers.ts` keeps the last one from being deleted. */
export const superusers = defineCollection({
  name: '_superusers',
  fields: {},
  rules: { list: null, view: null, create: null, update: null, delete: null },
  auth: { tokenSeconds: 86_400, password: true, refreshable: true },
})
