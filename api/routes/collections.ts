import { Hono } from 'hono'
import type { App } from '../../core/app.ts'
import { BadRequest, NotFound } from '../../core/errors.ts'
import { listSchemas, schemasOf } from '../../core/schema/index.ts'
import type { Env } from '../env.ts'
import { requireSuperuser } from '../guards.ts'

/** PocketBase's other management addresses, which have nothing behind them here. */
const MANAGEMENT: [method: string, path: string][] = [
  ['GET', 'settings'],
  ['PATCH', 'settings'],
  ['POST', 'settings/test/s3'],
  ['POST', 'settings/test/email'],
  ['POST', 'settings/apple/generate-client-secret'],
  ['GET', 'logs'],
  ['GET', 'logs/stats'],
  ['GET', 'logs/:id'],
  ['GET', 'backups'],
  ['POST', 'backups'],
  ['POST', 'backups/upload'],
  ['DELETE', 'backups/:key'],
  ['POST', 'backups/:key/restore'],
  ['GET', 'crons'],
  ['POST', 'crons/:id'],
  ['GET', 'collections/meta/scaffolds'],
  ['GET', 'collections/meta/oauth2-providers'],
]

/** The schema, for superusers to read. */
export function collections(app: App) {
  const schemas = schemasOf(app.registry)
  const declared = () => {
    throw new BadRequest('Collections are declared in code and cannot be changed while the server runs.')
  }

  const routes = new Hono<Env>()
  for (const [method, path] of MANAGEMENT)
    routes.on(method, `/api/${path}`, (c) => {
      requireSuperuser(c.var.caller)
      throw new NotFound()
    })
  return routes
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
    .delete('/api/collections/:name/truncate', (c) => {
      requireSuperuser(c.var.caller)
      return declared()
    })
}
