import { proxmoxCluster } from '../collections/proxmox-cluster.ts'
import { hooksFor } from '../core/hooks.ts'
import { giveToOwner } from './ownership.ts'
import { isDiscovery, reporting } from './proxmox/discovering.ts'
import { forgetContainers } from './proxmox/forget.ts'
import { readCluster } from './proxmox/read.ts'
import { storeCluster } from './proxmox/store-cluster.ts'

export default hooksFor(proxmoxCluster, {
  async create(event, next) {
    if (isDiscovery(event.caller)) {
      await giveToOwner(event)
      return next()
    }
    await reporting(event, async (agent) => {
      event.record.id = await storeCluster(event, agent, readCluster(event.body))
    })
  },

  async update(event, next) {
    await giveToOwner(event)
    return next()
  },

  async delete(event, next) {
    await forgetContainers(event, '"cluster_id" = $1', [event.before.id])
    return next()
  },
})
