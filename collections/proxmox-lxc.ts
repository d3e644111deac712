import { defineCollection } from '../core/collection.ts'
import { computed, date, relation, select, text } from '../core/fields/index.ts'
import { foundRules } from './parts/found.ts'
import { guest } from './parts/guest.ts'
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
    recorded_at: date(),
  },
  rules: foundRules,
  indexes: [{ fields: ['user_id', 'cluster_id', 'node_id', 'vmid'], unique: true }, { fields: ['agent_id'] }],
})
