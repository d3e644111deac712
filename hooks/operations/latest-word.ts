import { type PatchOperation, patchOperations } from '../../collections/patch-operations.ts'
import type { Executor } from '../../core/db/database.ts'
import { quote } from '../../core/db/statement.ts'
import { formatTime } from '../../core/time.ts'
import { EXIT_STOPPED, OUTCOMES_OF_RUNS } from './evidence.ts'

const isEmpty = (column: string) => `coalesce("${column}"::text, 'null') in ('[]', 'null')`

/**
 * Has a run that began after this one already said what its target is? A report may come days late, when its agent
 * could not reach the server; what it found is as old as its start.
 */
export async function isOvertaken(
  database: Executor,
  { id, agent_id, lxc_id, started_at }: PatchOperation,
  now: Date,
): Promise<boolean> {
  const later = await database.run(
    `select 1 from ${quote(patchOperations.name)}
     where "agent_id" = $1 and "lxc_id" = $2 and "id" <> $3 and "started_at" > $4 and "started_at" <= $5
       and ("status" = 'failed' and "outcome" = any($6::text[])
           and coalesce("exit_code"::text, '') <> '${EXIT_STOPPED}'
         or "status" = 'failed' and "outcome" = 'lease_lost' and "mode" = 'apply'
         or "status" = 'cancelled' and "mode" = 'apply' and "stdout_file" <> '' and ${isEmpty('result')}
         or "status" = 'completed' and not "security_only" and ${isEmpty('packages')}
           and (${isEmpty('requested_exclusions')} or coalesce("result" -> 'excluded', '[]')::text = '[]'))
     limit 1`,
    // A start after now was written by a clock that has been set back since.
    [agent_id, lxc_id, id, started_at, formatTime(now), OUTCOMES_OF_RUNS],
  )
  return later.length > 0
}
