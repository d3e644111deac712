import { Hono } from 'hono'
import { z } from 'zod'
import type { App } from '../../core/app.ts'
import { BadRequest } from '../../core/errors.ts'
import { fieldsOf } from '../../core/input.ts'
import { withBody } from '../body/read.ts'
import type { DeviceApproval } from '../device-approval.ts'
import type { Env } from '../env.ts'
import type { AgentAction } from './agent/action.ts'
import { enrolment } from './agent/enrolment.ts'
import { fleet } from './agent/fleet.ts'
import { ingest } from './agent/ingest.ts'
import { reportPackages } from './agent/packages.ts'

/** NannyAPI's one endpoint for everything about agents: `{"action": ...}`. */
export function agent(app: App, publicUrl: () => string, approval: DeviceApproval) {
  const actions: Record<string, AgentAction> = {
    ...enrolment(app, publicUrl, approval),
    ...fleet(app),
    'ingest-metrics': ingest(app),
    'report-packages': reportPackages(app),
  }
  const Action = z.object({ action: z.string().default('') })

  return new Hono<Env>().post('/api/agent', (c) =>
    withBody(app, c, undefined, ({ body }) => {
      const { action } = fieldsOf(Action, body)
      const run = Object.hasOwn(actions, action) ? actions[action] : undefined
      if (!run)
        throw new BadRequest(`Unknown action; it is one of ${Object.keys(actions).join(', ')}.`, {
          action: { code: 'validation_in_invalid', message: 'Must be a valid value.' },
        })
      return run(c, body)
    }),
  )
}
