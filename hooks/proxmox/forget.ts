import { operationLocks } from '../../collections/operation-locks.ts'
import { patchOperations } from '../../collections/patch-operations.ts'
import { proxmoxLxc } from '../../collections/proxmox-lxc.ts'
import { rebootOperations } from '../../collections/reboot-operations.ts'
import { BadRequest } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { callerFrom, systemCaller } from '../../core/records/actor.ts'
import type { Records } from '../../core/records/index.ts'
import { findAll, findOne } from '../../core/records/read.ts'
import type { Container } from '../ownership.ts'

/** What was said about a container goes with it; the record of a host must not come to mean the container's. */
const ABOUT = ['patch_schedules', 'reboot_schedules', 'package_exceptions'] as const

/**
 * Before the records of containers are deleted: what is about them goes, what was ordered and nobody has begun is
 * called off, and what is finished stays. Throws BadRequest while something runs in one of them.
 */
export async function forgetContainers<R>(
  { app, database, caller }: WriteEvent<R>,
  condition: string,
  parameters: readonly unknown[],
): Promise<void> {
  const records = app.records.within(database)
  // In the name of who asks; an agent, whose report comes to this, may not do it by itself.
  const by = callerFrom(caller, 'agents') ? systemCaller : caller
  for (const container of await findAll(
    database,
    proxmoxLxc,
    `${condition} order by "id" for update`,
    parameters,
  )) {
    const ordered = await findAll(
      database,
      patchOperations,
      `"lxc_id" = $1 and ("status" in ('pending', 'running') or "outcome" = 'lease_lost') order by "id"`,
      [container.id],
    )
    const reboots = await findAll(
      database,
      rebootOperations,
      `"lxc_id" = $1 and "status" in ('pending', 'sent', 'rebooting') order by "id"`,
      [container.id],
    )
    for (const { id, status } of ordered)
      if (status === 'running' || (status === 'failed' && (await isLocked(database, id))))
        throw running(container, `Operation ${id}`)
    for (const { id, status } of reboots) if (status === 'rebooting') throw running(container, `Reboot ${id}`)
    for (const { id, status } of ordered)
      if (status === 'pending')
        await records.update('patch_operations', id, { body: { status: 'cancelled' } }, by)
    for (const { id } of reboots)
      await records.update('reboot_operations', id, { body: { status: 'failed' } }, by)
    await dropAbout(records, database, container)
    await database.run('delete from "agent_packages" where "lxc_id" = $1', [container.id])
  }
}

const isLocked = (database: WriteEvent['database'], operation: string) =>
  findOne(database, operationLocks, '"operation" = $1', [operation])

const running = ({ name, vmid }: Container, what: string) =>
  new BadRequest(
    `${what} is not finished in the container ${vmid}${name && ` (${name})`}; wait for it or cancel it first.`,
  )

async function dropAbout(
  records: Records,
  database: WriteEvent['database'],
  container: Container,
): Promise<void> {
  for (const name of ABOUT) {
    const rows = await database.run<{ id: string }>(
      `select "id" from "${name}" where "lxc_id" = $1 order by "id"`,
      [container.id],
    )
    for (const { id } of rows) await records.delete(name, id, systemCaller)
  }
}
