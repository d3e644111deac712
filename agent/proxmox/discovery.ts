import { backoffMs, sleep } from '../backoff.ts'
import { AgentError } from '../errors.ts'
import type { ReadGuest } from '../reboot/machine.ts'
import { readGuestStatus } from './answers.ts'
import { configured, guestConfig, ownNode } from './cluster-files.ts'
import type { ProxmoxHost } from './detect.ts'
import { type Discovering, openDiscover } from './discover.ts'
import { askPvesh } from './pvesh.ts'
import { lxcBody } from './reports.ts'

/**
 * Reports what there is on this Proxmox node, now and every `discoverMs`, until the agent stops; nothing else waits
 * for it. What fails is a warning, and is tried again sooner.
 */
export const discovery = async (context: Discovering, proxmox: ProxmoxHost, root: string): Promise<void> => {
  const { timings, log, stop } = context
  const { discoverMs } = timings
  const discover = openDiscover(context, proxmox, root)
  let before = new Map<string, string>()
  for (let failures = 0; !stop.aborted; ) {
    const failed = await discover()
    // The same every few minutes would be no news.
    for (const [part, reason] of failed)
      if (before.get(part) !== reason) log.warn('Proxmox was not discovered as a whole.', { part, reason })
    if (failed.size === 0 && before.size > 0) log.info('Proxmox is discovered as a whole again.')
    before = failed
    const again = { baseMs: discoverMs / 10, maxMs: discoverMs }
    if (failed.size === 0) failures = 0
    await sleep(failed.size === 0 ? discoverMs : backoffMs(failures++, again), stop)
  }
}

/** Reads one container of this node. Throws `AgentError` where that cannot be done now. */
export const guestReader =
  (proxmox: ProxmoxHost | undefined, root: string): ReadGuest =>
  async (vmid) => {
    if (!proxmox) return undefined
    const node = ownNode(root)
    const here = node === undefined ? undefined : configured(root, node, 'lxc')
    if (node === undefined || !here)
      throw new AgentError('/etc/pve is not mounted: the cluster file system is down.')
    if (!here.includes(vmid)) return undefined
    const current = await askPvesh(proxmox, `/nodes/${node}/lxc/${vmid}/status/current`)
    const { ostype = '' } = guestConfig(root, node, 'lxc', vmid)
    return lxcBody(readGuestStatus(vmid, current), node, ostype)
  }
