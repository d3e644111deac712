import type { proxmoxNodes } from '../../collections/proxmox-nodes.ts'
import type { RecordOf } from '../../core/collection.ts'
import type { Executor } from '../../core/db/database.ts'
import { Conflict } from '../../core/errors.ts'
import { addSeconds, formatTime } from '../../core/time.ts'
import { RETRY_MS } from './quorum.ts'
import type { Cluster } from './reporter.ts'

/** After so long a restart of another node is no reason to wait any more. */
const WAIT_SECONDS = 24 * 3600
const NAMED_MAX = 10

type Restarted = {
  id: string
  name: string
  online: boolean
  boot_id: string
  recorded_at: string
  boot_id_before: string
  acknowledged_at: string
  completed_at: string
  guests_before: number[] | null
}

/**
 * Throws Conflict while another node that was restarted is not back, or guests that ran on it then do not run again
 * anywhere in the cluster. Guests that are gone are not waited for.
 */
export async function refuseAbsent(
  database: Executor,
  node: Pick<RecordOf<typeof proxmoxNodes>, 'id'>,
  cluster: Cluster,
  now: Date,
): Promise<void> {
  const restarted = await database.run<Restarted>(
    `select distinct on (node."id") reboot."id", node."name", node."online", node."boot_id", node."recorded_at",
       reboot."boot_id_before", reboot."acknowledged_at", reboot."completed_at", reboot."guests_before"
     from "proxmox_nodes" node join "reboot_operations" reboot
       on reboot."agent_id" = node."agent_id" and reboot."lxc_id" = ''
     where node."cluster_id" = $1 and node."id" <> $2 and node."local" and reboot."acknowledged_at" > $3
       and reboot."status" in ('rebooting', 'completed', 'timeout')
     order by node."id", reboot."acknowledged_at" desc`,
    [cluster.id, node.id, formatTime(addSeconds(now, -WAIT_SECONDS))],
  )
  for (const reboot of restarted) {
    const remedy = `or delete the record of reboot ${reboot.id} to go on without`
    if (!isBack(reboot))
      throw waiting(
        `Node ${reboot.name} of the cluster ${cluster.cluster_name} was restarted and is not back; start it, ${remedy}.`,
      )
    const missing = await guestsMissing(database, cluster.id, reboot)
    if (missing.length > 0)
      throw waiting(
        `Of node ${reboot.name}, which was restarted, not all guests run again: ${named(missing)}. Start them, ${remedy}.`,
      )
  }
}

const waiting = (sentence: string) => new Conflict(sentence, { retry_after_ms: RETRY_MS })

/** Its own agent has told of it since, from another boot. */
function isBack({ online, boot_id, boot_id_before, recorded_at, completed_at }: Restarted): boolean {
  const isAnotherBoot = boot_id_before === '' || (boot_id !== '' && boot_id !== boot_id_before)
  return online && isAnotherBoot && completed_at !== '' && recorded_at >= completed_at
}

/** Those that ran before and do not now, by what was found after the node was back. */
async function guestsMissing(
  database: Executor,
  cluster: string,
  { guests_before, completed_at }: Restarted,
): Promise<string[]> {
  if (!guests_before || guests_before.length === 0) return []
  const found = await database.run<{ vmid: number; name: string }>(
    ['proxmox_lxc', 'proxmox_qemu']
      .map(
        (table) => `select "vmid", "name" from "${table}"
          where "cluster_id" = $1 and "vmid" = any($2::float8[]) and "status" <> 'removed'
            and ("status" <> 'running' or "recorded_at" < $3)`,
      )
      .join(' union all ')
      .concat(' order by 1'),
    [cluster, guests_before, completed_at],
  )
  return found.map(({ vmid, name }) => (name ? `${vmid} (${name})` : String(vmid)))
}

const named = (guests: readonly string[]): string =>
  guests.length <= NAMED_MAX
    ? guests.join(', ')
    : `${guests.slice(0, NAMED_MAX).join(', ')} and ${guests.length - NAMED_MAX} more`
