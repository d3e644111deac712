import { proxmoxLxc } from '../../collections/proxmox-lxc.ts'
import { proxmoxQemu } from '../../collections/proxmox-qemu.ts'
import type { RecordOf } from '../../core/collection.ts'
import type { Families } from './families.ts'
import { type FoundLxc, type FoundQemu, type Report, readLxc, readQemu } from './read.ts'

type Lxc = RecordOf<typeof proxmoxLxc>
type Facts = Record<string, unknown>

/** What containers and virtual machines differ in, as discovery goes. */
export type GuestKind<T extends FoundLxc | FoundQemu = FoundLxc | FoundQemu> = {
  collection: typeof proxmoxLxc | typeof proxmoxQemu
  read(body: unknown): Report<T>
  /** What is to be stored of an item beside where it is. `known` is what was stored of it so far. */
  facts(item: T, known: Facts | undefined, families: Families): Facts
}

export const lxc: GuestKind<FoundLxc> = {
  collection: proxmoxLxc,
  read: readLxc,
  facts: (item, stored, families) => {
    const known = stored as Lxc | undefined
    const ostype = item.ostype || known?.ostype || ''
    return {
      ...{ name: item.name || (known?.name ?? ''), status: item.status, ostype },
      lxc_id: item.lxc_id || `lxc/${item.vmid}`,
      ...platformOf(item, known?.ostype === ostype ? known : undefined, families.get(ostype)),
    }
  },
}

/**
 * Who has looked into the container knows best, and what was seen there holds while nobody can look, as when it is
 * stopped. Else it is what its configuration says.
 */
function platformOf(item: FoundLxc, known: Lxc | undefined, configured: string | undefined) {
  const seen = item.os_version !== '' || (item.platform_family ?? 'unknown') !== 'unknown'
  if (seen)
    return {
      platform_family: item.platform_family ?? configured ?? 'unknown',
      os_version: item.os_version,
      package_manager: item.package_manager,
    }
  const wasSeen = known && (known.os_version !== '' || known.package_manager !== '')
  // Whoever leaves out what it is made of says nothing about that.
  if (wasSeen || (known && item.ostype === '')) return {}
  const { os_version, package_manager } = item
  return { platform_family: configured ?? 'unknown', os_version, package_manager }
}

export const qemu: GuestKind<FoundQemu> = {
  collection: proxmoxQemu,
  read: readQemu,
  facts: ({ name, status, ostype, vmgenid, kvm, boot, cpu, host_cpu }, known) => ({
    ...{ name: name || (known?.name ?? ''), status },
    // A short report is about how it is, not about what it is.
    ...((ostype || vmgenid || !known) && { ostype, vmgenid, kvm, boot, host_cpu: host_cpu || cpu }),
  }),
}
