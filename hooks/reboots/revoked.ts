import type { Agent } from '../../collections/agents.ts'
import { proxmoxLxc } from '../../collections/proxmox-lxc.ts'
import { rebootOperations } from '../../collections/reboot-operations.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { alsoUpdate } from '../../core/records/also-update.ts'
import { findAll, readVersion } from '../../core/records/read.ts'
import { formatTime } from '../../core/time.ts'
import { OPEN } from './states.ts'

const REVOKED = 'The agent was revoked.'

/** Ends what a revoked agent will never carry out, in the statement that revokes it. */
export async function endRebootsOf(event: WriteEvent<Agent>): Promise<void> {
  const { database, before, now } = event
  const open = await findAll(database, rebootOperations, `${OPEN} and "agent_id" = $1`, [before.id])
  if (open.length === 0) return
  // The host first, as everybody else who locks it with its reboots.
  event.require(
    (bind) => `exists (select 1 from "agents" where "id" = ${bind(before.id)} for no key update)`,
    () => undefined,
  )
  event.record.pending_reboot_id = ''
  const ended = { status: 'failed', error_message: REVOKED, completed_at: formatTime(now) }
  for (const { id, lxc_id } of open) {
    const reboot = await readVersion(database, rebootOperations, id)
    if (reboot) alsoUpdate(event, rebootOperations, reboot, ended)
    const container = lxc_id ? await readVersion(database, proxmoxLxc, lxc_id) : undefined
    if (container?.record.pending_reboot_id === id)
      alsoUpdate(event, proxmoxLxc, container, { pending_reboot_id: '' })
    event.also(
      (bind) =>
        `delete from "operation_locks" where "operation" = ${bind(id)} and exists (select 1 from written)`,
    )
  }
}
