import type { Executor } from '../../core/db/database.ts'

/** The numbers of the containers and virtual machines that run on a host; null where there are none. */
export async function runningGuests(database: Executor, agentId: string): Promise<number[] | null> {
  const rows = await database.run<{ vmid: number }>(
    `select "vmid" from "proxmox_lxc" where "agent_id" = $1 and "status" = 'running'
     union select "vmid" from "proxmox_qemu" where "agent_id" = $1 and "status" = 'running' order by 1`,
    [agentId],
  )
  return rows.length > 0 ? rows.map(({ vmid }) => vmid) : null
}
