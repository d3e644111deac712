import { expect, test } from 'vitest'
import {
  collectMetrics,
  cpuPercent,
  parseCpu,
  parseLoad,
  parseMemory,
  parseMounts,
  parseNetwork,
} from '../../agent/metrics.ts'

test('processor: share of the ticks between two readings, without guest time twice', () => {
  const before = parseCpu('cpu  100 0 100 800 0 0 0 0 50 0\ncpu0 1 2 3 4\ncpu1 1 2 3 4\n')
  const after = parseCpu('cpu  150 0 150 850 50 0 0 0 90 0\ncpu0 1 2 3 4\ncpu1 1 2 3 4\n')
  expect(before).toEqual({ busy: 200, total: 1000, cores: 2 })
  expect(cpuPercent(before, after)).toBe(50)
  expect(cpuPercent(after, after)).toBe(0)
})

test('memory: caches are not used memory, also on a kernel without MemAvailable', () => {
  expect(parseMemory('MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 600 kB\n')).toEqual({
    total: 1000 * 1024,
    used: 400 * 1024,
  })
  expect(parseMemory('MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 50 kB\nCached: 250 kB\n').used).toBe(
    600 * 1024,
  )
})

test('load and network', () => {
  expect(parseLoad('0.06 1.11 2.07 1/87 5605\n')).toEqual({
    one_min: 0.06,
    five_min: 1.11,
    fifteen_min: 2.07,
  })
  const dev = [
    'Inter-|   Receive                            |  Transmit',
    ' face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs',
    '    lo:    3193      29    0    0    0     0          0         0     3193      29    0',
    '  eth0: 655157968 19652 0 0 0 0 0 0 1102736 11496 0 0 0 0 0 0',
    'wlan0:1000 1 0 0 0 0 0 0 2000 1 0 0 0 0 0 0',
    'docker0: 500 1 0 0 0 0 0 0 700 1 0 0 0 0 0 0',
  ].join('\n')
  expect(parseNetwork(dev)).toEqual({ in: 655158968, out: 1104736 })
})

test('mounts: real file systems, each device and pool once at its shortest path', () => {
  const mounts = [
    'proc /proc proc rw 0 0',
    '/dev/sda2 /home btrfs rw,subvol=/home 0 0',
    '/dev/sda2 / btrfs rw,subvol=/root 0 0',
    '/dev/loop3 /snap/core squashfs ro 0 0',
    'tank/data /tank/data zfs rw 0 0',
    'tank /tank zfs rw 0 0',
    'server:/export /mnt/nfs nfs4 rw 0 0',
    '/dev/sdb1 /mnt/my\\040disk ext4 rw 0 0',
    'overlay /var/lib/docker/overlay2/x/merged overlay rw 0 0',
  ].join('\n')
  expect(parseMounts(mounts)).toEqual([
    { device: '/dev/sda2', path: '/' },
    { device: 'tank', path: '/tank' },
    { device: '/dev/sdb1', path: '/mnt/my disk' },
  ])
})

test('this machine gives numbers in their ranges', () => {
  const first = collectMetrics()
  const { metrics } = collectMetrics(first.cpu)
  expect(metrics.cpu_cores).toBeGreaterThan(0)
  expect(metrics.memory_used_gb).toBeGreaterThan(0)
  expect(metrics.memory_used_gb).toBeLessThan(metrics.memory_total_gb)
  for (const share of [metrics.cpu_percent, metrics.memory_percent, metrics.disk_usage_percent]) {
    expect(share).toBeGreaterThanOrEqual(0)
    expect(share).toBeLessThanOrEqual(100)
  }
  for (const disk of metrics.filesystems) expect(disk.used_gb).toBeLessThanOrEqual(disk.total_gb)
})

test('disks are summed, and the share counts what root keeps for itself as taken', () => {
  const gb = 1024 ** 3
  const { metrics } = collectMetrics(undefined, '/', () => ({
    used: 60 * gb,
    free: 20 * gb,
    total: 100 * gb,
  }))
  expect(metrics.filesystems[0]).toMatchObject({ used_gb: 60, free_gb: 20, total_gb: 100, usage_percent: 75 })
})
