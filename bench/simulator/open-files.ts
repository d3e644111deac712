import { readFileSync } from 'node:fs'
import { SimulatorError } from './errors.ts'

/** An agent has a stream and a connection for its requests. */
const PER_AGENT = 2
const BESIDE = 300

/** Refuses more agents than this process, or the server it starts, may have connections. */
export function requireOpenFiles(agents: number, limits = readFileSync('/proc/self/limits', 'utf8')): void {
  const needed = agents * PER_AGENT + BESIDE
  // Node has raised its soft limit to the hard one when it started.
  const may = /^Max open files\s+(\d+)/m.exec(limits)?.[1]
  if (may === undefined || Number(may) >= needed) return
  throw new SimulatorError(
    `${agents} agents need ${needed} open files, and this process may have ${may}; ` +
      `as root run "ulimit -n ${needed}" in this shell, or take fewer agents with --agents.`,
  )
}
