import { quote } from '../../core/db/statement.ts'
import { Conflict } from '../../core/errors.ts'
import type { Discovery } from './discovering.ts'

/** What one agent may have told of, containers that are gone included. Far more than there is anywhere. */
const MOST: Readonly<Record<string, number>> = {
  proxmox_cluster: 20,
  proxmox_nodes: 500,
  proxmox_lxc: 10_000,
  proxmox_qemu: 10_000,
}

/**
 * The refusal of more: an agent that invents what it finds must not fill the database. To be thrown once what it said of
 * the others is committed, or that would be lost as often as it is said.
 */
export async function crowdedBy(
  { transaction }: Discovery,
  table: string,
  agent: { id: string },
  added: number,
): Promise<Conflict | undefined> {
  if (added === 0) return undefined
  const [row] = await transaction.run<{ count: number }>(
    `select count(*)::int as "count" from ${quote(table)} where "agent_id" = $1`,
    [agent.id],
  )
  const most = MOST[table] ?? 0
  if ((row?.count ?? 0) + added <= most) return undefined
  return new Conflict(
    `One agent may tell of ${most} records of ${table}, removed ones included; delete those that are not needed any more.`,
  )
}
