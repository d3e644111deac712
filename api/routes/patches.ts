import { Hono } from 'hono'
import type { App } from '../../core/app.ts'
import { BadRequest, Forbidden } from '../../core/errors.ts'
import { actingAs, type Caller, callerFrom } from '../../core/records/actor.ts'
import type { VisibleRecord } from '../../core/records/present.ts'
import { withBody } from '../body/read.ts'
import type { Env } from '../env.ts'
import { everyPage } from '../every-page.ts'
import { requireSignedIn } from '../guards.ts'
import { productForm } from '../product-form.ts'

const NAME = 'patch_operations'
/** A page is held in memory with every result in it, and each may have half a megabyte. */
const PER_PAGE = '200'

/** Patch operations under the addresses that NannyAPI's clients know; every act is a record operation. */
export function patches(app: App) {
  const collection = app.registry.need(NAME)
  const shown = (record: VisibleRecord) => productForm(app, record)
  /** For lists, which have no end of pages: the result is shown of one operation. */
  const summary = (record: VisibleRecord) => {
    const { result: _, ...rest } = record
    return shown(rest as VisibleRecord)
  }
  const requireAgent = (caller: Caller) => {
    if (!callerFrom(caller, 'agents'))
      throw new Forbidden('Only the agent that carries out an operation reports on it.')
  }

  return new Hono<Env>()
    .basePath('/api/patches')
    .use(async (c, next) => {
      requireSignedIn(c.var.caller)
      await next()
    })
    .post('/', (c) =>
      withBody(app, c, undefined, async ({ body }) => {
        requireSignedIn(c.var.caller)
        return c.json(shown(await app.records.create(NAME, { body }, c.var.caller)), 201)
      }),
    )
    .get('/', async (c) => {
      const { id, agent_id, status } = c.req.query()
      if (id) return c.json(shown(await app.records.view(NAME, id, c.var.caller)))
      const options = { asked: { agent_id, status }, perPage: PER_PAGE }
      return c.json((await everyPage(app, NAME, options, c.var.caller)).map(summary))
    })
    .patch('/', (c) =>
      withBody(app, c, undefined, async ({ body }) => {
        requireSignedIn(c.var.caller)
        const { id, ...change } = body
        if (typeof id !== 'string' || id === '')
          throw new BadRequest('Say which operation by its id.', {
            id: { code: 'validation_required', message: 'Cannot be blank.' },
          })
        return c.json(shown(await app.records.update(NAME, id, { body: change }, c.var.caller)))
      }),
    )
    .post('/:id/result', async (c) => {
      requireAgent(c.var.caller)
      return withBody(app, c, collection, async (input) => {
        requireSignedIn(c.var.caller)
        requireAgent(c.var.caller)
        const id = c.req.param('id')
        await app.records.update(NAME, id, input, actingAs(c.var.caller, 'report'))
        return c.json({ success: true, message: 'result recorded' })
      })
    })
}
