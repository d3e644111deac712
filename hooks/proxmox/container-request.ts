import type { PatchOperation } from '../../collections/patch-operations.ts'
import { proxmoxNodes } from '../../collections/proxmox-nodes.ts'
import { BadRequest, Conflict, type FieldErrors } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { readById } from '../../core/records/read.ts'
import type { Container } from '../ownership.ts'

/**
 * What an operation in a container may ask for and one on a host may not. Throws BadRequest for what is no use on a
 * host, Conflict for a container that nobody can reach.
 */
export async function settleContainer(
  event: WriteEvent<PatchOperation>,
  container: Container | undefined,
): Promise<void> {
  const { body, record } = event
  if (!container) return refuseOnHost(record)
  await refuseUnreachable(event, container)
  if (record.mode === 'dry-run') record.snapshot = false
  else if (isUnsaid(body.snapshot)) Object.assign(record, { snapshot: true, snapshot_optional: true })
  // It has moved since it was read, or is gone: all of it again.
  event.require(
    (bind) => `exists (select 1 from "proxmox_lxc" where "id" = ${bind(container.id)}
      and "agent_id" = ${bind(container.agent_id)} and "status" <> 'removed' for share)`,
    () => undefined,
  )
}

const isUnsaid = (value: unknown): boolean => value === undefined || value === null || value === ''

function refuseOnHost(record: PatchOperation): void {
  const errors: FieldErrors = {}
  for (const field of ['snapshot', 'start_stopped'] as const)
    if (record[field])
      errors[field] = {
        code: 'validation_invalid_value',
        message: 'Only for operations in a container (lxc_id).',
      }
  if (Object.keys(errors).length > 0) throw new BadRequest('Failed to create record.', errors)
}

async function refuseUnreachable(
  { database }: WriteEvent<PatchOperation>,
  { vmid, status, node_id, agent_id }: Container,
): Promise<void> {
  if (status === 'removed')
    throw new Conflict(`Container ${vmid} is gone: discovery does not find it any more.`)
  const node = await readById(database, proxmoxNodes, node_id)
  if (node && (!node.local || node.agent_id !== agent_id))
    throw new Conflict(
      `Container ${vmid} is on node ${node.name}, which has no agent of its own; enrol that host first.`,
    )
}
