import { proxmoxLxc } from '../collections/proxmox-lxc.ts'
import { hooksFor } from '../core/hooks.ts'
import { giveToOwner } from './ownership.ts'
import { isDiscovery, reporting } from './proxmox/discovering.ts'
import { forgetContainers } from './proxmox/forget.ts'
import { lxc } from './proxmox/guest-kinds.ts'
import { storeGuests } from './proxmox/store-guests.ts'
import { settleContainerReboot } from './reboots/settle.ts'

export default hooksFor(proxmoxLxc, {
  async create(event, next) {
    if (isDiscovery(event.caller)) {
      await giveToOwner(event)
      return next()
    }
    await reporting(event, async (agent) => {
      const report = lxc.read(event.body)
      const stored = await storeGuests(event, agent, lxc, report)
      for (const guest of stored)
        if ('pending_reboot_id' in guest) await settleContainerReboot(event.app, guest)
      event.record.id = stored[0]?.id ?? ''
      if (report.isList) event.reveal('count', String(stored.length))
    })
  },

  async update(event, next) {
    await giveToOwner(event)
    return next()
  },

  async delete(event, next) {
    await forgetContainers(event, '"id" = $1', [event.before.id])
    return next()
  },
})
