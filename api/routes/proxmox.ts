import { Hono } from 'hono'
import type { App } from '../../core/app.ts'
import { Forbidden } from '../../core/errors.ts'
import { literal } from '../../core/filter/index.ts'
import { actingAs, callerFrom } from '../../core/records/actor.ts'
import { withBody } from '../body/read.ts'
import type { Env, RequestContext } from '../env.ts'
import { requireNotBarred, requireSignedIn } from '../guards.ts'
import { productForm } from '../product-form.ts'

/** What is reported to one address is listed at another, and kept in a collection. */
const KINDS = [
  { reported: 'cluster', listed: 'clusters', collection: 'proxmox_cluster', filters: [] },
  { reported: 'node', listed: 'nodes', collection: 'proxmox_nodes', filters: ['cluster_id'] },
  { reported: 'lxc', listed: 'lxc', collection: 'proxmox_lxc', filters: ['cluster_id', 'node_id'] },
  { reported: 'qemu', listed: 'qemu', collection: 'proxmox_qemu', filters: ['cluster_id', 'node_id'] },
] as const

/** What agents find on Proxmox hosts, as they tell it and as their owners see it. */
export function proxmox(app: App) {
  const routes = new Hono<Env>().basePath('/api/proxmox')
  for (const { reported, listed, collection, filters } of KINDS)
    routes
      .post(`/${reported}`, (c) => {
        requireAgent(c)
        return withBody(app, c, undefined, async ({ body }) => {
          requireAgent(c)
          const act = actingAs(c.var.caller, 'ingest', true)
          const { id, count } = await app.records.create(collection, { body }, act)
          const message = `${reported} recorded`
          return c.json(count === undefined ? { message, id } : { message, count: Number(count) })
        })
      })
      .get(`/${listed}`, async (c) => {
        requireSignedIn(c.var.caller)
        const { page, perPage, ...query } = c.req.query()
        const asked = filters.flatMap((field) =>
          query[field] ? [`${field} = ${literal(query[field])}`] : [],
        )
        const list = { page, perPage, filter: asked.join(' && ') }
        const { items, ...found } = await app.records.list(collection, list, c.var.caller)
        return c.json({ ...found, items: items.map((record) => productForm(app, record)) })
      })
      .get(`/${listed}/:id`, async (c) => {
        requireSignedIn(c.var.caller)
        return c.json(productForm(app, await app.records.view(collection, c.req.param('id'), c.var.caller)))
      })
  return routes
}

function requireAgent(c: RequestContext): void {
  requireNotBarred(c)
  requireSignedIn(c.var.caller)
  if (!callerFrom(c.var.caller, 'agents'))
    throw new Forbidden('What there is on Proxmox is reported by agents only.')
}
