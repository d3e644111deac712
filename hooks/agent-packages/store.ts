import type { Agent } from '../../collections/agents.ts'
import type { Database } from '../../core/db/database.ts'
import { withoutDeadlock } from '../../core/db/without-deadlock.ts'
import { Forbidden } from '../../core/errors.ts'
import { newId } from '../../core/id.ts'
import { formatTime } from '../../core/time.ts'
import type { Inventory } from './read.ts'

/**
 * Makes `agent_packages` say of the host what the inventory says, and touches only what differs. The agent's row is
 * locked first: of two reports at once the second sees what the first has left, an agent that is being deleted gets
 * no packages any more, and the hash is stored with the packages it belongs to or not at all.
 */
export async function storeInventory(
  database: Database,
  agent: Agent,
  { hash, packages }: Inventory,
  now: Date,
): Promise<void> {
  const rows = packages.map((item) => ({ id: newId(), ...item }))
  await withoutDeadlock(() =>
    database.begin(async (transaction) => {
      const known = await transaction.run(
        `update "agents" set "packages_hash" = $2 where "id" = $1 and "status" <> 'revoked' returning 1`,
        [agent.id, hash],
      )
      if (known.length === 0) throw new Forbidden('The agent was revoked or deleted.')
      await transaction.run(SYNC, [JSON.stringify(rows), agent.id, agent.user_id, formatTime(now)])
    }),
  )
}

const unlessReached = (column: string) =>
  `"${column}" = case when known."available_version" = excluded."current_version"
    then excluded."${column}" else known."${column}" end`

/**
 * $1 the packages as JSON, $2 agent, $3 owner, $4 now. Of the host itself alone: its containers have rows of their
 * own. What is offered for a package stays until that very version is installed, however the package got there; whether
 * a package is held stays where the package manager does not say it, for then the script's results do.
 */
const SYNC = `
with reported as materialized (
  select * from jsonb_to_recordset($1::text::jsonb) as item("id" text, "name" text, "arch" text, "version" text, "held" boolean)
), gone as (
  delete from "agent_packages" known where known."agent_id" = $2 and known."lxc_id" = ''
    and not exists (select 1 from reported where reported."name" = known."name" and reported."arch" = known."arch")
)
insert into "agent_packages" as known
  ("id", "created", "updated", "agent_id", "user_id", "lxc_id", "name", "arch", "current_version",
   "available_version", "repository", "security", "held", "excluded", "seen_at")
select reported."id", $4, $4, $2, $3, '', reported."name", reported."arch", reported."version",
  '', '', null, coalesce(reported."held", same."held", false), false, $4
from reported left join "agent_packages" same on same."agent_id" = $2 and same."lxc_id" = ''
  and same."name" = reported."name" and same."arch" = reported."arch"
where same."id" is null or same."current_version" <> reported."version" or same."held" <> reported."held"
on conflict ("agent_id", "lxc_id", "name", "arch") do update set
  "updated" = excluded."updated", "seen_at" = excluded."seen_at",
  "current_version" = excluded."current_version", "held" = excluded."held",
  ${['available_version', 'repository', 'security', 'excluded'].map(unlessReached).join(',\n  ')}`
