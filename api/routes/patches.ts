import { Hono } from 'hono'
import type { App } from '../../core/app.ts'
import { BadRequest, Forbidden } from '../../core/errors.ts'
import { literal } from '../../core/filter/index.ts'
import { actingAs, callerFrom } from '../../core/records/actor.ts'
import type { VisibleRecord } from '../../core/records/present.ts'
import { withBody } from '../body/read.ts'
import type { Env } from '../env.ts'
import { requireSignedIn } from '../guards.ts'
import { productForm } from '../product-form.ts'

const NAME = 'patch_operations'
const LISTED_MAX = '1000'

/** Patch operations under the addresses that NannyAPI's clients know; every act is a record operation. */
export function patches(app: App) {
  const collection = app.registry.need(NAME)
  const shown = (record: VisibleRecord) => productForm(app, record)

  return new Hono<Env>()
    .basePath('/api/patches')
    .use(async (c, next) => {
      requireSignedIn(c.var.caller)
      await next()
    })
    .post('/', (c) =>
      withBody(app, c, collection, async ({ body }) =>
        c.json(shown(await app.records.create(NAME, { body }, c.var.caller)), 201),
      ),
    )
    .get('/', async (c) => {
      const { id, agent_id, status } = c.req.query()
      if (id) return c.json(shown(await app.records.view(NAME, id, c.var.caller)))
      const asked = Object.entries({ agent_id, status }).filter(([, value]) => value)
      const filter = asked.map(([field, value]) => `${field} = ${literal(String(value))}`).join(' && ')
      const page = await app.records.list(
        NAME,
        { filter, sort: '-created', perPage: LISTED_MAX },
        c.var.caller,
      )
      return c.json(page.items.map(shown))
    })
    .patch('/', (c) =>
      withBody(app, c, undefined, async ({ body }) => {
        const { id, ...change } = body
        if (typeof id !== 'string' || id === '')
          throw new BadRequest('Say which operation by its id.', {
            id: { code: 'validation_required', message: 'Cannot be blank.' },
          })
        return c.json(shown(await app.records.update(NAME, id, { body: change }, c.var.caller)))
      }),
    )
    .post('/:id/result', async (c) => {
      const agent = callerFrom(c.var.caller, 'agents')
      if (!agent) throw new Forbidden('Only the agent that carries out an operation reports on it.')
      return withBody(app, c, collection, async (input) => {
        const id = c.req.param('id')
        await app.records.update(NAME, id, input, actingAs(c.var.caller, 'report'))
        return c.json({ success: true, message: 'result recorded' })
      })
    })
}
