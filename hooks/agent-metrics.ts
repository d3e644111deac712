import { z } from 'zod'
import { agentMetrics } from '../collections/agent-metrics.ts'
import { type Agent, agents } from '../collections/agents.ts'
import { type Bind, quote, sqlType, statement } from '../core/db/statement.ts'
import { Forbidden } from '../core/errors.ts'
import { hooksFor } from '../core/hooks.ts'
import { newId } from '../core/id.ts'
import { fieldsOf } from '../core/input.ts'
import { actingAs, callerFrom } from '../core/records/actor.ts'
import { changes } from '../core/records/audit.ts'
import { formatTime } from '../core/time.ts'
import { PackagesHash } from './agent-packages/read.ts'
import { wishes } from './agent-packages/wishes.ts'
import { applyFacts } from './enrolment/facts.ts'
import { settleReboot } from './reboots/settle.ts'

const amount = z.number().finite().nonnegative().catch(0)
const Filesystem = z.object({
  device: z.string().max(255).catch(''),
  mount_path: z.string().max(1000).catch(''),
  used_gb: amount,
  free_gb: amount,
  total_gb: amount,
  usage_percent: amount,
})
const Metrics = z.object({
  cpu_percent: amount,
  cpu_cores: amount,
  memory_used_gb: amount,
  memory_total_gb: amount,
  memory_percent: amount,
  disk_used_gb: amount,
  disk_total_gb: amount,
  disk_usage_percent: amount,
  load_average: z.object({ one_min: amount, five_min: amount, fifteen_min: amount }).catch({
    one_min: 0,
    five_min: 0,
    fifteen_min: 0,
  }),
  network_stats: z.object({ in_gb: amount, out_gb: amount }).catch({ in_gb: 0, out_gb: 0 }),
  filesystems: z.array(Filesystem).max(100).catch([]),
})

const WISHES_PER_SECOND = 10
const mayWish = wishes(WISHES_PER_SECOND)

/**
 * A heartbeat. It comes from every host twice a minute, so it is one statement without event, log or audit;
 * only facts of the host that have changed are a change of its record.
 */
export default hooksFor(agentMetrics, {
  async create({ app, caller, body, now, record, reveal }) {
    const agent = callerFrom(caller, 'agents') as Agent | undefined
    if (caller.act !== 'ingest' || !agent) throw new Forbidden('Metrics are reported by agents only.')
    const metrics = fieldsOf(Metrics, body)
    const facts = { ...agent }
    applyFacts(facts, body)
    if (Object.keys(changes(agents, agent, facts)).length > 0)
      await app.records.update('agents', agent.id, { body }, actingAs(caller, 'heartbeat', true))

    const at = formatTime(now)
    const { load_average: load, network_stats: network, ...plain } = metrics
    Object.assign(record, plain, {
      id: newId(),
      created: at,
      updated: at,
      agent_id: agent.id,
      user_id: agent.user_id,
      network_in_gb: network.in_gb,
      network_out_gb: network.out_gb,
      load_avg_1min: load.one_min,
      load_avg_5min: load.five_min,
      load_avg_15min: load.fifteen_min,
      recorded_at: at,
    })
    const { parameters, bind } = statement()
    const names = [...agentMetrics.fields.keys()]
    const measured: Record<string, unknown> = record
    const values = [...agentMetrics.fields].map(([name, { kind }]) => bind(measured[name], sqlType(kind)))
    const kept = new Set(['id', 'created', 'agent_id'])
    const sets = names
      .filter((name) => !kept.has(name))
      .map((name) => `${quote(name)} = excluded.${quote(name)}`)
    // From the agent's row, which is locked by it: there are no metrics of an agent deleted at this moment.
    await app.database.run(
      `with seen as (update "agents" set "last_seen" = ${bind(at)} where "id" = ${bind(agent.id)} returning 1)
       ${releaseLost(agent, body.jobs, bind)}
       insert into "agent_metrics" (${names.map(quote).join(', ')}) select ${values.join(', ')} from seen
       on conflict ("agent_id") do update set ${sets.join(', ')}`,
      parameters,
    )
    // A restart that this heartbeat proves; the sweep finds those for which this fails.
    if (agent.pending_reboot_id !== '') await settleReboot(app, agent.pending_reboot_id)
    // Also where the server was set back to an older state: the agent sends its inventory again.
    const isMissing =
      PackagesHash.safeParse(body.packages_hash).success && body.packages_hash !== agent.packages_hash
    if (isMissing && mayWish()) reveal('packages_wanted', 'true')
  },
})

/**
 * An agent that lists its live jobs frees the targets of operations that were lost track of and are not among
 * them: nothing of ours runs there any more.
 */
function releaseLost(agent: Agent, jobs: unknown, bind: Bind): string {
  const live = Array.isArray(jobs) ? jobs.filter((job) => typeof job === 'string') : undefined
  if (!live) return ''
  return `, freed as (delete from "operation_locks" using "patch_operations" operation
     where "operation_locks"."agent_id" = ${bind(agent.id)} and operation."id" = "operation_locks"."operation"
       and operation."status" = 'failed' and operation."outcome" = 'lease_lost'
       and not (${bind(JSON.stringify(live))}::jsonb ? operation."id"))`
}
