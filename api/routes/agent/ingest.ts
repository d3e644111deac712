import { z } from 'zod'
import type { App } from '../../../core/app.ts'
import { Forbidden, Unauthorized } from '../../../core/errors.ts'
import { fieldsOf } from '../../../core/input.ts'
import { actingAs, callerFrom } from '../../../core/records/actor.ts'
import { type AgentAction, requireNotBarred } from '../agent.ts'

const Ingest = z.object({ system_metrics: z.record(z.string(), z.unknown()).default({}) })

/** A heartbeat with what the host measures. Some agents put facts beside `system_metrics`, some inside. */
export const ingest =
  (app: App): AgentAction =>
  async (c, body) => {
    requireNotBarred(c)
    const { caller } = c.var
    if (caller.actor.kind === 'guest')
      throw new Unauthorized('The request requires valid record authorization token.')
    if (!callerFrom(caller, 'agents')) throw new Forbidden('Metrics are reported by agents only.')
    const { system_metrics } = fieldsOf(Ingest, body)
    const { action: _, system_metrics: __, ...beside } = body
    const input = { body: { ...beside, ...system_metrics } }
    await app.records.create('agent_metrics', input, actingAs(caller, 'ingest', true))
    return c.json({ success: true, message: 'metrics recorded' })
  }
