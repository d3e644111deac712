import { proxmoxQemu } from '../collections/proxmox-qemu.ts'
import { hooksFor } from '../core/hooks.ts'
import { giveToOwner } from './ownership.ts'
import { isDiscovery, reporting } from './proxmox/discovering.ts'
import { qemu } from './proxmox/guest-kinds.ts'
import { storeGuests } from './proxmox/store-guests.ts'

export default hooksFor(proxmoxQemu, {
  async create(event, next) {
    if (isDiscovery(event.caller)) {
      await giveToOwner(event)
      return next()
    }
    await reporting(event, async (agent) => {
      const report = qemu.read(event.body)
      const stored = await storeGuests(event, agent, qemu, report)
      event.record.id = stored[0]?.id ?? ''
      if (report.isList) event.reveal('count', String(stored.length))
    })
  },

  async update(event, next) {
    await giveToOwner(event)
    return next()
  },
})
