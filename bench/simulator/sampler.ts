import { type TreeUse, useOfTree } from './process-tree.ts'

export type Use = {
  rssMb: number
  rssPeakMb: number
  /** With PostgreSQL. */
  treeMb: number
  treePeakMb: number
  cpuSeconds: number
  /** Processors busy since the sample before: 1 is one of them. */
  cpus: number
}

export type Sampler = {
  /** Looks now; undefined where the process is not there. */
  sample(): Use | undefined
  last(): Use | undefined
}

/** Follows what a process tree uses. `pid` may change: the processor time of those before is kept. */
export function openSampler(pid: () => number): Sampler {
  let last: Use | undefined
  let before: { pid: number; use: TreeUse; at: number } | undefined
  let earlierSeconds = 0
  return {
    last: () => last,
    sample() {
      const [now, at] = [pid(), performance.now()]
      const use = useOfTree(now)
      if (!use) return undefined
      if (before && before.pid !== now) earlierSeconds += before.use.cpuSeconds
      const same = before?.pid === now ? before : undefined
      const seconds = same ? (at - same.at) / 1000 : 0
      last = {
        rssMb: use.rssMb,
        rssPeakMb: Math.max(use.rssMb, last?.rssPeakMb ?? 0),
        treeMb: use.treeMb,
        treePeakMb: Math.max(use.treeMb, last?.treePeakMb ?? 0),
        cpuSeconds: earlierSeconds + use.cpuSeconds,
        cpus: same && seconds > 0 ? (use.cpuSeconds - same.use.cpuSeconds) / seconds : 0,
      }
      before = { pid: now, use, at }
      return last
    },
  }
}
