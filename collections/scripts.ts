import { defineCollection, type RecordOf } from '../core/collection.ts'
import { bool, computed, file, number, select, text } from '../core/fields/index.ts'
import { FAMILIES, MANAGERS } from './parts/platforms.ts'
import { signedIn } from './parts/rules.ts'

/** Patch scripts. A record's file never changes: a new version is a new record, and selection takes the newest. */
export const scripts = defineCollection({
  name: 'scripts',
  fields: {
    name: text({ required: true, max: 255 }),
    description: text({ max: 2000 }),
    platform_family: select(FAMILIES, { required: true }),
    os_version: text({ max: 50 }),
    package_manager: select(MANAGERS),
    file: file({ maxBytes: 10 * 1_048_576, required: true }),
    sha256: computed(text({ max: 64 })),
    size: computed(number()),
    manifest: text({ max: 20_000 }),
    signature: text({ max: 1000 }),
    built_in: computed(bool()),
  },
  rules: { list: signedIn, view: signedIn, create: null, update: null, delete: null },
  indexes: [
    { fields: ['platform_family', 'os_version'] },
    { fields: ['platform_family', 'name', 'sha256'], unique: true, where: 'built_in' },
  ],
})

export type Script = RecordOf<typeof scripts>
