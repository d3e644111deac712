import { statfsSync } from 'node:fs'
import { readSystem } from './facts.ts'

/** "gb" on the wire is 1024^3 bytes, as in the agents that spoke this protocol before. */
const GB = 1024 ** 3
const gb = (bytes: number) => Math.round((bytes / GB) * 1000) / 1000
const percent = (part: number, whole: number) =>
  whole > 0 ? Math.round(Math.min(100, Math.max(0, (part / whole) * 100)) * 100) / 100 : 0

export type CpuTimes = { busy: number; total: number; cores: number }

/** /proc/stat, in ticks since boot. Guest time is left out: the kernel has counted it in user time already. */
export const parseCpu = (stat: string): CpuTimes => {
  const all = (/^cpu\s+(.*)$/m.exec(stat)?.[1] ?? '').trim().split(/\s+/).slice(0, 8).map(Number)
  const total = all.reduce((sum, ticks) => sum + (Number.isFinite(ticks) ? ticks : 0), 0)
  const idle = (all[3] ?? 0) + (all[4] ?? 0)
  return { busy: total - idle, total, cores: stat.match(/^cpu\d+ /gm)?.length ?? 0 }
}

export const cpuPercent = (before: CpuTimes, after: CpuTimes) =>
  percent(after.busy - before.busy, after.total - before.total)

/** /proc/meminfo, in bytes. Used is what a program could not get, so caches do not count. */
export const parseMemory = (meminfo: string) => {
  const bytes = (key: string) => {
    const found = new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(meminfo)?.[1]
    return found === undefined ? undefined : Number(found) * 1024
  }
  const total = bytes('MemTotal') ?? 0
  // MemAvailable came with Linux 3.14.
  const guess = (bytes('MemFree') ?? 0) + (bytes('Buffers') ?? 0) + (bytes('Cached') ?? 0)
  return { total, used: Math.max(0, total - (bytes('MemAvailable') ?? guess)) }
}

export const parseLoad = (loadavg: string) => {
  const [one = 0, five = 0, fifteen = 0] = loadavg.trim().split(/\s+/).slice(0, 3).map(Number)
  return { one_min: one, five_min: five, fifteen_min: fifteen }
}

/** Interfaces whose bytes pass another one as well, or never leave the machine. */
const INNER =
  /^(lo|ifb\d|veth|docker|br-|virbr|vnet|tap|tun|fwbr|fwln|fwpr|cni|flannel|cali|dummy|podman|lxc)/

/** /proc/net/dev, in bytes since boot. */
export const parseNetwork = (dev: string) => {
  const total = { in: 0, out: 0 }
  for (const line of dev.split('\n')) {
    const match = /^\s*([^:\s]+):\s*(.*)$/.exec(line)
    if (!match?.[1] || INNER.test(match[1])) continue
    const columns = (match[2] ?? '').split(/\s+/).map(Number)
    total.in += columns[0] ?? 0
    total.out += columns[8] ?? 0
  }
  return total
}

/** Local disks only: asking a network file system whose server is gone would hang the agent. */
const REAL = /^(ext[234]|xfs|btrfs|zfs|f2fs|jfs|reiserfs|bcachefs|nilfs2|vfat|exfat|ntfs3?|ubifs)$/
export type Mount = { device: string; path: string }

/** /proc/mounts: real file systems, each once. btrfs subvolumes share a device, zfs datasets a pool. */
export const parseMounts = (mounts: string): Mount[] => {
  const found = new Map<string, Mount>()
  for (const line of mounts.split('\n')) {
    const [device, path, type] = line.split(' ').map(unescapeMount)
    if (!device || !path || !type) continue
    // In a container the root is an overlay, and the only disk there is to see.
    if (!REAL.test(type) && !(type === 'overlay' && path === '/')) continue
    const key = type === 'zfs' ? `zfs ${device.split('/')[0]}` : device
    const known = found.get(key)
    if (!known || path.length < known.path.length) found.set(key, { device, path })
  }
  return [...found.values()]
}

const unescapeMount = (text: string) =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

export type DiskBytes = { used: number; free: number; total: number }

const statDisk = (path: string): DiskBytes | undefined => {
  try {
    const { bsize, blocks, bfree, bavail } = statfsSync(path)
    return { used: (blocks - bfree) * bsize, free: bavail * bsize, total: blocks * bsize }
  } catch (error) {
    // Unmounted meanwhile, or behind a folder this user may not enter.
    if (['ENOENT', 'EACCES', 'ENOTDIR', 'EIO'].includes((error as NodeJS.ErrnoException).code ?? '')) return
    throw error
  }
}

/**
 * `system_metrics` of the wire. `before` is the previous reading of the processor; without one, what it did
 * since boot. Returns the new reading with the metrics.
 */
export const collectMetrics = (before?: CpuTimes, root = '/', disk = statDisk) => {
  const cpu = parseCpu(readSystem(root, 'proc/stat'))
  const memory = parseMemory(readSystem(root, 'proc/meminfo'))
  const network = parseNetwork(readSystem(root, 'proc/net/dev'))
  const disks = parseMounts(readSystem(root, 'proc/mounts')).flatMap((mount) => {
    const bytes = disk(mount.path)
    return bytes && bytes.total > 0 ? [{ ...mount, ...bytes }] : []
  })
  const sum = (key: keyof DiskBytes) => disks.reduce((total, each) => total + each[key], 0)
  const metrics = {
    cpu_percent: cpuPercent(before ?? { busy: 0, total: 0, cores: 0 }, cpu),
    cpu_cores: cpu.cores,
    memory_used_gb: gb(memory.used),
    memory_total_gb: gb(memory.total),
    memory_percent: percent(memory.used, memory.total),
    disk_used_gb: gb(sum('used')),
    disk_total_gb: gb(sum('total')),
    disk_usage_percent: percent(sum('used'), sum('used') + sum('free')),
    load_average: parseLoad(readSystem(root, 'proc/loadavg')),
    network_stats: { in_gb: gb(network.in), out_gb: gb(network.out) },
    filesystems: disks.map(({ device, path, used, free, total }) => ({
      device,
      mount_path: path,
      used_gb: gb(used),
      free_gb: gb(free),
      total_gb: gb(total),
      usage_percent: percent(used, used + free),
    })),
  }
  return { metrics, cpu }
}
