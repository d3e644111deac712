import type { Guard } from './guard.ts'
import type { Journal } from './journal.ts'
import type { Log } from './log.ts'
import type { ScriptRunner } from './process.ts'
import type { Timings } from './timings.ts'
import type { Transport } from './transport.ts'

/** What every part of a running agent needs. */
export type Context = {
  transport: Transport
  journal: Journal
  scripts: ScriptRunner
  guard: Guard
  timings: Timings
  log: Log
  /** Where this host is a Proxmox node: the folders in which its programs are looked for, as in PATH. */
  proxmox?: { path: string } | undefined
  /** Aborted when the agent is asked to stop, or, with `Revoked` as reason, when the server sent it away. */
  stop: AbortSignal
}
