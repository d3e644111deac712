import { proxmoxNodes } from '../collections/proxmox-nodes.ts'
import { hooksFor } from '../core/hooks.ts'
import { giveToOwner } from './ownership.ts'
import { isDiscovery, reporting } from './proxmox/discovering.ts'
import { forgetContainers } from './proxmox/forget.ts'
import { readNodes } from './proxmox/read.ts'
import { storeNodes } from './proxmox/store-nodes.ts'

export default hooksFor(proxmoxNodes, {
  async create(event, next) {
    if (isDiscovery(event.caller)) {
      await giveToOwner(event)
      return next()
    }
    await reporting(event, async (agent) => {
      const report = readNodes(event.body)
      event.record.id = await storeNodes(event, agent, report)
      if (report.isList) event.reveal('count', String(report.items.length))
    })
  },

  async update(event, next) {
    await giveToOwner(event)
    return next()
  },

  async delete(event, next) {
    await forgetContainers(event, '"node_id" = $1', [event.before.id])
    return next()
  },
})
