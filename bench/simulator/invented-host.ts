import { createHash } from 'node:crypto'
import type { Host } from '../../agent/guard.ts'
import { version } from '../../agent/version.ts'

/** What an agent says of a host that does not exist. */
export type InventedHost = {
  /** For `register`. */
  facts: Record<string, unknown>
  platform: Host
  /** The body of a heartbeat, slightly different each time. */
  read: () => Record<string, unknown>
}

const MEMORY_GB = 8
const DISK_GB = 80

/** Host number `at` of the fleet called `fleet`; the same names give the same host. */
export function inventHost(fleet: string, at: number): InventedHost {
  const hash = createHash('sha256').update(`${fleet}/${at}`).digest('hex')
  const address = `10.${(at >> 16) & 255}.${(at >> 8) & 255}.${at & 255}`
  const system = {
    os_info: 'Debian GNU/Linux 12 (bookworm)',
    os_version: '12',
    platform_family: 'debian',
    package_manager: 'apt',
    kernel_version: '6.1.0-26-amd64',
    arch: 'x86_64',
    primary_ip: address,
    all_ips: [address],
    boot_id: [8, 12, 16, 20, 32].map((end, part) => hash.slice([0, 8, 12, 16, 20][part], end)).join('-'),
    version,
  }
  const hostname = `${fleet}-${String(at + 1).padStart(5, '0')}`
  return {
    platform: {
      family: system.platform_family,
      osVersion: system.os_version,
      manager: system.package_manager,
    },
    facts: { hostname, os_type: 'linux', ...system, capabilities: ['claim'], machine_id: hash.slice(0, 32) },
    read: () => ({ action: 'ingest-metrics', system_metrics: metrics(), ...system }),
  }
}

function metrics(): Record<string, unknown> {
  const share = () => Math.round(Math.random() * 1000) / 1000
  const [cpu, memory, disk, load] = [share(), share(), share(), share()]
  const used = disk * DISK_GB
  const filesystem = { used_gb: used, free_gb: DISK_GB - used, total_gb: DISK_GB, usage_percent: disk * 100 }
  return {
    cpu_percent: cpu * 100,
    cpu_cores: 4,
    memory_used_gb: memory * MEMORY_GB,
    memory_total_gb: MEMORY_GB,
    memory_percent: memory * 100,
    disk_used_gb: used,
    disk_total_gb: DISK_GB,
    disk_usage_percent: disk * 100,
    load_average: { one_min: load, five_min: load, fifteen_min: load },
    network_stats: { in_gb: share(), out_gb: share() },
    filesystems: [{ device: '/dev/vda1', mount_path: '/', ...filesystem }],
  }
}
