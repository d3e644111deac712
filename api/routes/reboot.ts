import { Hono } from 'hono'
import type { App } from '../../core/app.ts'
import { Forbidden } from '../../core/errors.ts'
import { actingAs, callerFrom } from '../../core/records/actor.ts'
import type { VisibleRecord } from '../../core/records/present.ts'
import { withBody } from '../body/read.ts'
import type { Env, RequestContext } from '../env.ts'
import { everyPage } from '../every-page.ts'
import { requireSignedIn } from '../guards.ts'
import { productForm } from '../product-form.ts'

const NAME = 'reboot_operations'
const PER_PAGE = '500'

/** Reboots under the addresses that NannyAPI's clients know; every act is a record operation. */
export function reboot(app: App) {
  const shown = (record: VisibleRecord) => productForm(app, record)

  /** What an agent says of a reboot of its own. */
  const said = (c: RequestContext, id: string, act: string, message: string) => {
    requireAgent(c)
    return withBody(app, c, undefined, async ({ body }) => {
      requireAgent(c)
      await app.records.update(NAME, id, { body }, actingAs(c.var.caller, act))
      return c.json({ success: true, message })
    })
  }

  return new Hono<Env>()
    .basePath('/api/reboot')
    .use(async (c, next) => {
      requireSignedIn(c.var.caller)
      await next()
    })
    .post('/', (c) =>
      withBody(app, c, undefined, async ({ body }) => {
        requireSignedIn(c.var.caller)
        const { id, status } = await app.records.create(NAME, { body }, c.var.caller)
        const message = 'Reboot command sent. Agent will receive via realtime subscription.'
        return c.json({ success: true, reboot_id: id, status, message })
      }),
    )
    .get('/', async (c) => {
      const { agent_id, status } = c.req.query()
      const options = { asked: { agent_id, status }, perPage: PER_PAGE }
      const reboots = await everyPage(app, NAME, options, c.var.caller)
      return c.json({ reboots: reboots.map(shown) })
    })
    .get('/:id', async (c) => c.json(shown(await app.records.view(NAME, c.req.param('id'), c.var.caller))))
    .post('/:id/acknowledge', (c) => said(c, c.req.param('id'), 'acknowledge', 'reboot acknowledged'))
    .post('/:id/fail', (c) => said(c, c.req.param('id'), 'fail', 'failure recorded'))
}

function requireAgent(c: RequestContext): void {
  requireSignedIn(c.var.caller)
  if (!callerFrom(c.var.caller, 'agents'))
    throw new Forbidden('Only the agent that carries out a reboot reports on it.')
}
