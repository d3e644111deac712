import { defineCollection } from '../core/collection.ts'
import { bool, date, text } from '../core/fields/index.ts'
import { owner, ownerOrAgent, signedIn } from './parts/rules.ts'
import { container, target } from './parts/targets.ts'

/** Package names as the patch scripts take them, with `*` for any characters, but not `*` alone. */
export const PACKAGE_NAME = /^(\**[A-Za-z0-9@_]|\*+[._+:~-])[A-Za-z0-9@._+:~*-]*$/

/** Packages that a host or container is to keep as they are. */
export const packageExceptions = defineCollection({
  name: 'package_exceptions',
  fields: {
    ...target,
    ...container,
    package_name: text({
      required: true,
      max: 255,
      pattern: PACKAGE_NAME,
      message: 'Must be a package name; "*" may stand for any characters, but not alone.',
    }),
    reason: text({ max: 2000 }),
    is_active: bool({ initial: true }),
    expires_at: date(),
  },
  rules: { list: ownerOrAgent, view: ownerOrAgent, create: signedIn, update: owner, delete: owner },
  // Each also gives the order that lists are shown in.
  indexes: [{ fields: ['agent_id', 'created'] }, { fields: ['user_id', 'created'] }],
})
