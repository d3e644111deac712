import { agents } from '../../collections/agents.ts'
import { proxmoxLxc } from '../../collections/proxmox-lxc.ts'
import type { RebootOperation } from '../../collections/reboot-operations.ts'
import type { StoredRecord } from '../../core/collection.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { alsoUpdate } from '../../core/records/also-update.ts'
import { readVersion } from '../../core/records/read.ts'
import { formatTime } from '../../core/time.ts'
import { releaseLock } from '../operations/lock.ts'

type Version = { record: StoredRecord; version: string }

/** A reboot's host and container as they are stored; undefined where they are gone. */
export type Targets = { host: Version | undefined; inside: Version | undefined }

export type Verdict = { status: 'completed' | 'failed' | 'timeout'; error_message: string }

export async function targetsOf({ database, before }: WriteEvent<RebootOperation>): Promise<Targets> {
  const [host, inside] = await Promise.all([
    readVersion(database, agents, before.agent_id),
    before.lxc_id ? readVersion(database, proxmoxLxc, before.lxc_id) : undefined,
  ])
  return { host, inside }
}

/** Ends a reboot, takes its name off its target and frees that, all in the statement that says how it ended. */
export function end(event: WriteEvent<RebootOperation>, verdict: Verdict, { host, inside }: Targets): void {
  const { before, now } = event
  event.record = { ...before, ...verdict, completed_at: formatTime(now) }
  // Also where it is not named: what was judged of the host is judged on what is stored.
  if (host) alsoUpdate(event, agents, host, unnamed(host, before.id))
  if (inside) alsoUpdate(event, proxmoxLxc, inside, unnamed(inside, before.id))
  releaseLock(event)
}

const unnamed = ({ record }: Version, id: string) =>
  record.pending_reboot_id === id ? { pending_reboot_id: '' } : {}
