import { type Agent, agents } from '../collections/agents.ts'
import { proxmoxLxc } from '../collections/proxmox-lxc.ts'
import type { RecordOf } from '../core/collection.ts'
import { Forbidden, NotFound } from '../core/errors.ts'
import type { WriteEvent } from '../core/hooks.ts'
import { callerFrom, isSuperuser } from '../core/records/actor.ts'
import { findOne, readById } from '../core/records/read.ts'

export type Container = RecordOf<typeof proxmoxLxc>
type Owned = { user_id: string; agent_id: string; lxc_id?: string }

/**
 * Finds what a record points at and gives the record to the agent's owner. Somebody else's agent or container
 * is answered like one that does not exist, on create and on every later change of either.
 */
export async function claimTarget<R extends Owned>({
  database,
  caller,
  record,
}: WriteEvent<R>): Promise<{ agent?: Agent; container?: Container }> {
  refuseAgents(caller)
  // An absent agent is a blank field, which validation reports.
  if (record.agent_id === '') return {}
  const agent = await readById(database, agents, record.agent_id)
  const user = callerFrom(caller, 'users')
  if (!agent || (!isSuperuser(caller) && agent.user_id !== user?.id)) throw new NotFound()
  record.user_id = agent.user_id
  if (!record.lxc_id) return { agent }
  const container = await findOne(database, proxmoxLxc, '"id" = $1', [record.lxc_id])
  if (!container || container.user_id !== agent.user_id || container.agent_id !== agent.id)
    throw new NotFound()
  return { agent, container }
}

export function refuseAgents(caller: WriteEvent['caller']): void {
  if (callerFrom(caller, 'agents'))
    throw new Forbidden('Agents carry out what users ask for; they ask for nothing.')
}
