import { readdirSync, readFileSync } from 'node:fs'

/** Linux counts processor time in hundredths of a second, whatever the kernel's own tick is. */
const TICK_MS = 10

type Process = { pid: number; parent: number; ticks: number }

/** Processor time in ms that a process and all below it have used, with the children that have ended. */
export const cpuOfTree = (root: number): number =>
  treeOf(root).reduce((sum, { ticks }) => sum + ticks, 0) * TICK_MS

/** Memory of a process and all below it, KB; pages that several share are divided among them. */
export const memoryOfTree = (root: number): number =>
  treeOf(root).reduce((sum, { pid }) => sum + proportional(pid), 0)

function proportional(pid: number): number {
  const [, kilobytes] = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')) ?? []
  return Number(kilobytes)
}

function treeOf(root: number): Process[] {
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(read)
  const known = processes.filter((process) => process !== undefined)
  const tree = new Set([root])
  // A child may have a lower number than its parent, so one pass would not do.
  for (let size = 0; size !== tree.size; ) {
    size = tree.size
    for (const { pid, parent } of known) if (tree.has(parent)) tree.add(pid)
  }
  return known.filter(({ pid }) => tree.has(pid))
}

function read(pid: string): Process | undefined {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    // It has ended since the folder was read.
    return undefined
  }
  // The name, in parentheses, may hold anything; the fields that follow are numbered from 3 in proc(5).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [parent = 0, ...times] = [4, 14, 15, 16, 17].map((field) => Number(fields[field - 3]))
  return { pid: Number(pid), parent, ticks: times.reduce((sum, time) => sum + time, 0) }
}
