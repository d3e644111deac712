import { Hono } from 'hono'
import type { App } from '../../core/app.ts'
import { BadRequest, NotFound } from '../../core/errors.ts'
import { listSchemas, schemasOf } from '../../core/schema/index.ts'
import type { Env } from '../env.ts'
import { requireSuperuser } from '../guards.ts'

/** PocketBase's other management addresses, which have nothing behind them here. */
const MANAGEMENT = ['settings', 'logs', 'backups', 'crons'].flatMap((name) => [
  `/api/${name}`,
  `/api/${name}/*`,
])

/** The schema, for superusers to read. */
export function collections(app: App) {
  const schemas = schemasOf(app.registry)
  const declared = () => {
    throw new BadRequest('Collections are declared in code and cannot be changed while the server runs.')
  }

  return new Hono<Env>()
    .on(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'], MANAGEMENT, (c) => {
      requireSuperuser(c.var.caller)
      throw new NotFound()
    })
    .use('/api/collections', async (c, next) => {
      requireSuperuser(c.var.caller)
      await next()
    })
    .get('/api/collections', (c) => c.json(listSchemas(schemas, c.req.query(), c.var.caller, app.clock())))
    .post('/api/collections', declared)
    .on(['GET', 'PUT', 'PATCH', 'DELETE'], '/api/collections/:name', (c) => {
      requireSuperuser(c.var.caller)
      const { name } = c.req.param()
      if (c.req.method === 'PUT' && name !== 'import') throw new NotFound()
      if (c.req.method !== 'GET') return declared()
      const { id } = app.registry.find(name) ?? {}
      const schema = schemas.find((candidate) => candidate.id === id)
      if (!schema) throw new NotFound()
      return c.json(schema)
    })
    .get('/api/collections/meta/*', (c) => {
      requireSuperuser(c.var.caller)
      throw new NotFound()
    })
    .delete('/api/collections/:name/truncate', (c) => {
      requireSuperuser(c.var.caller)
      return declared()
    })
}
