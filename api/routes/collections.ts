import { Hono } from 'hono'
import type { App } from '../../core/app.ts'
import { BadRequest, Forbidden, NotFound } from '../../core/errors.ts'
import { listSchemas, schemasOf } from '../../core/schema/index.ts'
import type { Env, RequestContext } from '../env.ts'
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
  ['DELETE', 'logs'],
  ['POST', 'sql'],
  ['POST', 'collections/meta/dry-run-view'],
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

type Handler = (c: RequestContext) => Response

/** The schema, for superusers to read. */
export function collections(app: App) {
  const schemas = schemasOf(app)
  const guarded = (handler: Handler) => (c: RequestContext) => {
    requireSuperuser(c.var.caller)
    return handler(c)
  }
  const nothing = guarded(() => {
    throw new NotFound()
  })
  const declared = guarded(() => {
    throw new BadRequest('Collections are declared in code and cannot be changed while the server runs.')
  })
  const one = guarded((c) => {
    const found = app.registry.find(c.req.param('name') ?? '')
    const schema = schemas.find(({ id }) => id === found?.id)
    if (!schema) throw new NotFound()
    return c.json(schema)
  })

  const routes = new Hono<Env>()
  for (const [method, path] of MANAGEMENT) routes.on(method, `/api/${path}`, nothing)
  return routes
    .get('/api/backups/:key', () => {
      // PocketBase looks for a superuser's file token, and for a backup, which there is none of.
      throw new Forbidden('Insufficient permissions to access the resource.')
    })
    .get(
      '/api/collections',
      guarded((c) => c.json(listSchemas(schemas, c.req.query(), c.var.caller, app.clock()))),
    )
    .post('/api/collections', declared)
    .put('/api/collections/import', declared)
    .delete('/api/collections/:name/truncate', declared)
    .get('/api/collections/:name', one)
    .patch('/api/collections/:name', declared)
    .delete('/api/collections/:name', declared)
}
