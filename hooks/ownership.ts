import { type Agent, agents } from '../collections/agents.ts'
import { proxmoxLxc } from '../collections/proxmox-lxc.ts'
import { proxmoxNodes } from '../collections/proxmox-nodes.ts'
import type { RecordOf } from '../core/collection.ts'
import type { Executor } from '../core/db/database.ts'
import { Forbidden, NotFound } from '../core/errors.ts'
import type { WriteEvent } from '../core/hooks.ts'
import { callerFrom, isSuperuser } from '../core/records/actor.ts'
import { findOne, readById } from '../core/records/read.ts'
import { refuseUnreadable } from './unreadable.ts'

export type Container = RecordOf<typeof proxmoxLxc>
type Owned = { user_id: string; agent_id: string; lxc_id?: string }

/**
 * Finds what a record points at and gives the record to the agent's owner. Somebody else's agent or container
 * is answered like one that does not exist, on create and on every later change of either. What is about a container
 * goes to the agent of the node that it runs on now, also where it names the one of another node of that cluster.
 */
export async function claimTarget<R extends Owned>(
  event: WriteEvent<R>,
): Promise<{ agent?: Agent; container?: Container }> {
  const { database, caller, record } = event
  refuseAgents(caller)
  refuseUnreadable(event, ['lxc_id'])
  // An absent agent is a blank field, which validation reports.
  if (record.agent_id === '') return {}
  const agent = await readById(database, agents, record.agent_id)
  const user = callerFrom(caller, 'users')
  if (!agent || (!isSuperuser(caller) && agent.user_id !== user?.id)) throw new NotFound()
  record.user_id = agent.user_id
  if (!record.lxc_id) return { agent }
  const container = await readById(database, proxmoxLxc, record.lxc_id)
  if (!container || container.user_id !== agent.user_id) throw new NotFound()
  if (container.agent_id === agent.id) return { agent, container }
  if (!(await isNodeOf(database, agent, container))) throw new NotFound()
  const current = await readById(database, agents, container.agent_id)
  if (!current || current.user_id !== agent.user_id) throw new NotFound()
  record.agent_id = current.id
  return { agent: current, container }
}

const isNodeOf = async (database: Executor, { id }: Agent, { cluster_id }: Container): Promise<boolean> =>
  cluster_id !== '' &&
  (await findOne(database, proxmoxNodes, '"agent_id" = $1 and "local" and "cluster_id" = $2', [
    id,
    cluster_id,
  ])) !== undefined

/** What an agent has found is its owner's. Throws NotFound where there is no such agent. */
export async function giveToOwner<R extends Owned>({
  action,
  caller,
  database,
  before,
  record,
}: WriteEvent<R>): Promise<void> {
  if (record.agent_id === '' || (action === 'update' && record.agent_id === before.agent_id)) return
  // Who tells of hundreds is not looked up for each.
  const teller = callerFrom(caller, 'agents') as Agent | undefined
  const agent = teller?.id === record.agent_id ? teller : await readById(database, agents, record.agent_id)
  if (!agent) throw new NotFound()
  record.user_id = agent.user_id
}

export function refuseAgents(caller: WriteEvent['caller']): void {
  if (callerFrom(caller, 'agents'))
    throw new Forbidden('Agents carry out what users ask for; they ask for nothing.')
}
