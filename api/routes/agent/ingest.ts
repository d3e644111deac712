import { z } from 'zod'
import type { App } from '../../../core/app.ts'
import { Forbidden } from '../../../core/errors.ts'
import { fieldsOf } from '../../../core/input.ts'
import { actingAs, callerFrom } from '../../../core/records/actor.ts'
import { requireNotBarred, requireSignedIn } from '../../guards.ts'
import type { AgentAction } from './action.ts'

const Ingest = z.object({ system_metrics: z.record(z.string(), z.unknown()).default({}) })

/** A heartbeat with what the host measures. Some agents put facts beside `system_metrics`, some inside. */
export const ingest =
  (app: App): AgentAction =>
  async (c, body) => {
    requireNotBarred(c)
    const { caller } = c.var
    requireSignedIn(caller)
    if (!callerFrom(caller, 'agents')) throw new Forbidden('Metrics are reported by agents only.')
    const { system_metrics } = fieldsOf(Ingest, body)
    const { action: _, system_metrics: __, ...beside } = body
    const input = { body: { ...beside, ...system_metrics } }
    const act = actingAs(caller, 'ingest', true)
    const { packages_wanted } = await app.records.create('agent_metrics', input, act)
    const wanted = packages_wanted === 'true' && { packages_wanted: true }
    return c.json({ success: true, message: 'metrics recorded', ...wanted })
  }
