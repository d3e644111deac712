import { Hono } from 'hono'
import type { App } from '../../core/app.ts'
import { withBody } from '../body/read.ts'
import { uploadsFor } from '../body/uploads.ts'
import type { Env } from '../env.ts'

export const records = (app: App) =>
  new Hono<Env>()
    .basePath('/api/collections/:collection/records')
    .get('/', async (c) =>
      c.json(await app.records.list(c.req.param('collection'), c.req.query(), c.get('caller'))),
    )
    .post('/', (c) => {
      const name = c.req.param('collection')
      return withBody(app, c, uploadsFor(app, c, name, 'create'), async (body) =>
        c.json(await app.records.create(name, { ...body, expand: c.req.query('expand') }, c.get('caller'))),
      )
    })
    .get('/:id', async (c) => {
      const { collection: name, id } = c.req.param()
      return c.json(await app.records.view(name, id, c.get('caller'), c.req.query('expand')))
    })
    .patch('/:id', (c) => {
      const { collection: name, id } = c.req.param()
      return withBody(app, c, uploadsFor(app, c, name, 'update'), async (body) =>
        c.json(
          await app.records.update(name, id, { ...body, expand: c.req.query('expand') }, c.get('caller')),
        ),
      )
    })
    .delete('/:id', async (c) => {
      await app.records.delete(c.req.param('collection'), c.req.param('id'), c.get('caller'))
      return c.body(null, 204)
    })
