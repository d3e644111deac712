import { readdirSync, readFileSync } from 'node:fs'

const MB = 1024
/** Linux counts processor time in hundredths of a second, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100

export type TreeUse = {
  /** Resident memory of the process itself, MB. */
  rssMb: number
  /** Memory of it and all below it, shared pages divided among those who share them, MB. */
  treeMb: number
  /** Processor time of all of them since they began, seconds. */
  cpuSeconds: number
}

/** What a process and its children use; undefined where it has ended. */
export function useOfTree(root: number): TreeUse | undefined {
  const all = new Map<number, { parent: number; ticks: number }>()
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? readProc(`${name}/stat`) : undefined
    if (!stat) continue
    // The name, in parentheses, may hold anything; the fields after it are numbered from 3 in proc(5).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const ticks = [14, 15, 16, 17].reduce((sum, field) => sum + Number(fields[field - 3]), 0)
    all.set(Number(name), { parent: Number(fields[1]), ticks })
  }
  if (!all.has(root)) return undefined
  const tree = new Set([root])
  // A child may have a lower number than its parent, so one pass would not do.
  for (let size = 0; size !== tree.size; ) {
    size = tree.size
    for (const [pid, { parent }] of all) if (tree.has(parent)) tree.add(pid)
  }
  let [ticks, treeKb] = [0, 0]
  for (const pid of tree) {
    ticks += all.get(pid)?.ticks ?? 0
    treeKb += kilobytes(readProc(`${pid}/smaps_rollup`), 'Pss')
  }
  const rssKb = kilobytes(readProc(`${root}/status`), 'VmRSS')
  return { rssMb: rssKb / MB, treeMb: treeKb / MB, cpuSeconds: ticks / TICKS_PER_SECOND }
}

const kilobytes = (text: string | undefined, key: string) =>
  Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text ?? '')?.[1] ?? 0)

/** Undefined where the process has ended meanwhile, or is somebody else's. */
function readProc(path: string): string | undefined {
  try {
    return readFileSync(`/proc/${path}`, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return undefined
    throw error
  }
}
