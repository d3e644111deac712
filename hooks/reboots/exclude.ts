import { type Agent, agents } from '../../collections/agents.ts'
import type { PatchOperation } from '../../collections/patch-operations.ts'
import { proxmoxLxc } from '../../collections/proxmox-lxc.ts'
import type { RebootOperation } from '../../collections/reboot-operations.ts'
import type { StoredRecord } from '../../core/collection.ts'
import { type Bind, quote } from '../../core/db/statement.ts'
import { Conflict, NotFound } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { alsoUpdate } from '../../core/records/also-update.ts'
import { readVersion } from '../../core/records/read.ts'
import { refuseBarred } from '../operations/barred.ts'
import { busyWith } from '../operations/busy.ts'
import type { Container } from '../ownership.ts'
import { unfinishedOn } from './blocker.ts'

// Two tables cannot share a unique index, and a host's restart excludes what runs in its containers as well. So both
// kinds of operation change the agent's row when they are made: a restart names itself there and is written only
// onto the version it has judged, everything else only while nothing is named, and then makes another version of it.

/** Names the new reboot on its host or container; throws Conflict while anything is in its way there. */
export async function nameOnTarget(
  event: WriteEvent<RebootOperation>,
  container: Container | undefined,
): Promise<void> {
  const { database, record } = event
  // Before what is in the way is looked up: whatever is made after this changes it.
  const host = await readVersion(database, agents, record.agent_id)
  const inside = container && (await readVersion(database, proxmoxLxc, container.id))
  if (!host || (container && !inside)) throw new NotFound()
  refuseBarred(host.record as StoredRecord & Agent, 'apply')
  const blocker = await unfinishedOn(database, { ...record, id: record.id })
  if (blocker) throw blocker
  const named = { pending_reboot_id: record.id }
  alsoUpdate(event, agents, host, inside ? {} : named)
  if (inside) alsoUpdate(event, proxmoxLxc, inside, named)
}

/** A patch operation is not made while its host, or its container, is to be restarted: throws Conflict naming that. */
export async function refuseWhileRebooting(
  event: WriteEvent<PatchOperation>,
  agent: Agent & { id: string },
  container: Container | undefined,
): Promise<void> {
  const { database } = event
  if (agent.pending_reboot_id) throw await busyWith(database, agent.pending_reboot_id, 'of this host')
  if (container?.pending_reboot_id)
    throw await busyWith(database, container.pending_reboot_id, 'of this container')
  // Named since it was read: it starts again, and finds that above.
  event.require(isUnnamed('agents', agent.id), () => undefined)
  if (container) event.require(isUnnamed('proxmox_lxc', container.id), () => undefined)
  event.also(
    (bind) =>
      `update "agents" set "updated" = "updated" from written where "agents"."id" = ${bind(agent.id)}`,
  )
}

const RETRY_MS = 15_000

/** Nothing begins on a host, or in a container, that is about to be restarted. */
export function refuseClaimWhileRebooting(event: WriteEvent<PatchOperation>): void {
  const { agent_id, lxc_id } = event.before
  const refuse = (table: string, id: string) =>
    event.require(
      (bind) =>
        `not exists (select 1 from ${quote(table)} where "id" = ${bind(id)} and "pending_reboot_id" <> '')`,
      () => new Conflict('The target is about to be restarted.', { retry_after_ms: RETRY_MS }),
    )
  refuse('agents', agent_id)
  if (lxc_id) refuse('proxmox_lxc', lxc_id)
}

// Not `for update`: it would wait for those who hold the row only as the target of a relation, and they for it.
const isUnnamed = (table: string, id: string) => (bind: Bind) =>
  `exists (select 1 from ${quote(table)} where "id" = ${bind(id)} and "pending_reboot_id" = '' for no key update)`
