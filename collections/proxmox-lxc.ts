import { defineCollection } from '../core/collection.ts'
import { computed, date, relation, select, text, volatile } from '../core/fields/index.ts'
import { foundRules } from './parts/found.ts'
import { guest, guestIndexes } from './parts/guest.ts'
import { FAMILIES, MANAGERS } from './parts/platforms.ts'

/** A container; one that discovery no longer finds stays, with status `removed`. */
export const proxmoxLxc = defineCollection({
  name: 'proxmox_lxc',
  fields: {
    ...guest,
    lxc_id: text({ max: 255 }),
    platform_family: select(FAMILIES),
    os_version: text({ max: 100 }),
    package_manager: select(MANAGERS),
    pending_reboot_id: computed(relation('reboot_operations')),
    recorded_at: volatile(date()),
  },
  rules: foundRules,
  indexes: guestIndexes,
})
