import { defineCollection } from '../core/collection.ts'
import { bool, date, text, volatile } from '../core/fields/index.ts'
import { foundRules } from './parts/found.ts'
import { guest, guestIndexes } from './parts/guest.ts'

/** A virtual machine. */
export const proxmoxQemu = defineCollection({
  name: 'proxmox_qemu',
  fields: {
    ...guest,
    kvm: bool(),
    boot: text({ max: 255 }),
    host_cpu: text({ max: 255 }),
    vmgenid: text({ max: 255 }),
    recorded_at: volatile(date()),
  },
  rules: foundRules,
  indexes: guestIndexes,
})
