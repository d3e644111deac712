import { z } from 'zod'
import type { App } from '../../../core/app.ts'
import { Forbidden } from '../../../core/errors.ts'
import { literal } from '../../../core/filter/index.ts'
import { fieldsOf } from '../../../core/input.ts'
import { type Caller, callerFrom } from '../../../core/records/actor.ts'
import type { VisibleRecord } from '../../../core/records/present.ts'
import { parseTime, toRfc3339 } from '../../../core/time.ts'
import { requireSignedIn } from '../../guards.ts'
import { productForm } from '../../product-form.ts'
import type { AgentAction } from './action.ts'

const Named = z.object({ agent_id: z.string().default('') })
const LISTED_MAX = '1000'
const STALE_MINUTES = 5
const INACTIVE_MINUTES = 15

/** What a user asks about his agents. */
export function fleet(app: App): Record<string, AgentAction> {
  const requireUser = (caller: Caller) => {
    requireSignedIn(caller)
    if (callerFrom(caller, 'agents')) throw new Forbidden('Agents do not ask about agents.')
  }

  return {
    async list(c) {
      const { caller } = c.var
      requireUser(caller)
      const agents: unknown[] = []
      for (let page = 1, pages = 1; page <= pages; page++) {
        const query = { page: String(page), perPage: LISTED_MAX }
        const { items, totalPages } = await app.records.list('agents', query, caller)
        pages = totalPages
        for (const agent of items) agents.push(summary(agent, app.clock()))
      }
      return c.json({ agents })
    },

    async revoke(c, body) {
      const { caller } = c.var
      requireUser(caller)
      const { agent_id } = fieldsOf(Named, body)
      await app.records.update('agents', agent_id, { body: { status: 'revoked' } }, caller)
      return c.json({ success: true, message: 'agent revoked' })
    },

    async health(c, body) {
      const { caller } = c.var
      requireUser(caller)
      const { agent_id } = fieldsOf(Named, body)
      const agent = await app.records.view('agents', agent_id, caller)
      const filter = `agent_id = ${literal(agent.id)}`
      const { items } = await app.records.list('agent_metrics', { filter, perPage: '1' }, caller)
      const { id, status, health, last_seen } = summary(agent, app.clock())
      const latest_metrics = items[0] ? productForm(app, items[0]) : null
      return c.json({ agent_id: id, status, health, last_seen, latest_metrics })
    },
  }
}

function summary(agent: VisibleRecord, now: Date) {
  const { id, hostname, os_type, os_info, os_version, version, status, kernel_version, arch } = agent
  return {
    ...{ id, hostname, os_type, os_info, os_version, version, status, kernel_version, arch },
    health: healthOf(agent, now),
    last_seen: toRfc3339(String(agent.last_seen)),
    created: toRfc3339(String(agent.created)),
  }
}

function healthOf({ status, last_seen }: VisibleRecord, now: Date): 'healthy' | 'stale' | 'inactive' {
  const seen = parseTime(String(last_seen))
  if (status !== 'active' || !seen) return 'inactive'
  const minutes = (now.getTime() - seen.getTime()) / 60_000
  if (minutes < STALE_MINUTES) return 'healthy'
  return minutes < INACTIVE_MINUTES ? 'stale' : 'inactive'
}
