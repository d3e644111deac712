import { defineCollection } from '../core/collection.ts'
import { select, text } from '../core/fields/index.ts'
import { FAMILIES } from './parts/platforms.ts'
import { signedIn } from './parts/rules.ts'

/** Which family a container's `ostype` belongs to, where the container has not told itself. */
export const lxcOsMap = defineCollection({
  name: 'lxc_os_map',
  fields: {
    ostype: text({ required: true, max: 100 }),
    platform_family: select(FAMILIES, { required: true }),
  },
  rules: { list: signedIn, view: signedIn, create: null, update: null, delete: null },
  indexes: [{ fields: ['ostype'], unique: true }],
})
